// How a VectorStore is made, opened and loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quire/element_type.hpp"
#include "quire/export.hpp"

namespace quire {
inline namespace v0 {

// What a write that has returned survives. Chosen when a store is made, and kept in it.
enum class Durability : std::uint8_t {
  power_loss = 1,       // the machine losing power
  process_crash = 2,    // the process dying; power loss only after sync()
  checkpoint_only = 3,  // nothing, until sync(), checkpoint() or close()
};
// "power_loss", "process_crash", "checkpoint_only".
[[nodiscard]] QUIRE_EXPORT std::string_view to_string(Durability durability) noexcept;
[[nodiscard]] QUIRE_EXPORT std::optional<Durability> durability_from_string(
    std::string_view name) noexcept;

// Limits of the format.
inline constexpr std::uint32_t kMaxDimension = 65'536;
inline constexpr std::uint64_t kMaxRows = std::uint64_t{1} << 40;

// What a new store is. The first three are kept in its files.
struct VectorStoreOptions {
  std::uint32_t dimension = 0;  // elements of a vector, 1 to kMaxDimension
  ElementType element_type = ElementType::f32;
  Durability durability = Durability::power_loss;
};

// How to open a store. What of the first three is given must equal what the store was made with, else
// `mismatch`.
struct OpenStoreOptions {
  std::optional<std::uint32_t> dimension = {};
  std::optional<ElementType> element_type = {};
  std::optional<Durability> durability = {};
  // What is put may be of any element type, and what is got too, and is converted as quire/convert.hpp
  // says: embeddings come as f32, and the store keeps them as f16. Else another type is `mismatch`, which
  // finds mistakes. Views show rows as they are stored.
  bool convert = false;
  // A checkpoint is due when the log has grown to this many bytes.
  std::uint64_t checkpoint_log_bytes = std::uint64_t{64} << 20;
  // A batch with at least this many bytes of vectors goes to the rows file at once instead of through
  // the log: two syncs instead of one, but no byte is written twice.
  std::uint64_t direct_batch_bytes = std::uint64_t{256} << 10;
  // A store is compacted when more than this share of its rows is dead, if that gives back 1 MiB or more; with 1 it
  // never is by itself.
  double compact_above = 0.3;
  // Disk space that the store keeps twice, in logs of zeros, so that removes and checkpoints go on when the
  // disk is full: room for some 1,300 removes, each of which takes 96 bytes. Taken into [4 KiB, 16 MiB].
  std::uint64_t spare_log_bytes = std::uint64_t{128} << 10;
  // Checkpoints and compactions that become due are done by a thread of the store. Without it, by the
  // write that makes them due, before it returns.
  bool background = true;
  // Stores on file systems that are known to belong to other machines too (NFS, SMB, 9P, Ceph and the like) are refused
  // with `unsupported`, for there another machine may change the files under the maps, locks may not keep it out,
  // and a sync may promise less. With this they are made and opened, and none of the guarantees hold. FUSE may be
  // either, and is let through.
  bool allow_network_file_system = false;
};

// How to verify a store.
struct VerifyOptions {
  // Reads with direct reads, past the page cache, so that a page that is right in memory and wrong on the disk is found.
  // Syncs the files first, and asks the system to forget what it has cached of them. As slow as the device. A file system
  // that answers direct reads from its cache may still show what is mapped or was just used: docs/guarantees.md.
  bool cold = false;
};

// How to load by many threads; see quire/bulk_loader.hpp.
struct BulkLoadOptions {
  // Rows that will be claimed, if it is known: the first claim takes disk space for all of them.
  std::uint64_t expected_rows = 0;
  // Disk space is taken for so many bytes of rows at once, or for one claim if that is more. What is not
  // used goes back when the last load ends, unless other writes have gone behind it.
  std::uint64_t block_bytes = std::uint64_t{64} << 20;
};

}  // namespace v0
}  // namespace quire
