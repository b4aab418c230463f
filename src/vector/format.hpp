// The fixed structures of a store's files: MANIFEST, file headers, slot entries. Byte-exact:
// docs/formats/vector-store.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "os/file_system.hpp"
#include "quire/element_type.hpp"
#include "quire/vector_store.hpp"

namespace quire::vector {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::uint64_t kHeaderBytes = 4096;
inline constexpr std::uint64_t kManifestBytes = 256;
inline constexpr std::uint64_t kSlotEntryBytes = 48;
// A slots file has fewer entries.
inline constexpr std::uint64_t kMaxVersions = (std::uint64_t{1} << 40) - 1;

using StoreId = std::array<std::byte, 16>;

// What every file of a store repeats.
struct StoreIdentity {
  StoreId id{};
  std::uint32_t dimension = 0;
  ElementType element_type = ElementType::f32;

  // Bytes of a row.
  std::uint64_t stride() const noexcept { return row_bytes(element_type, dimension); }
  friend bool operator==(const StoreIdentity&, const StoreIdentity&) = default;
};

struct Manifest {
  StoreIdentity identity;
  Durability durability = Durability::power_loss;
  std::uint64_t generation = 1;
  std::uint64_t checkpoint_lsn = 0;
  std::uint64_t slot_count = 0;
  std::uint64_t row_limit = 0;
  std::uint64_t first_log = 1;
  std::uint64_t live = 0;
  std::uint64_t history_lsn = 0;  // the slots file tells what batches after it changed

  friend bool operator==(const Manifest&, const Manifest&) = default;

  [[nodiscard]] std::array<std::byte, kManifestBytes> encode() const;
  // Errors: truncated, corrupt, format_version; they name `path`.
  [[nodiscard]] static Result<Manifest> decode(std::span<const std::byte> bytes,
                                               const std::string& path);
};

enum class FileRole : std::uint8_t { rows, slots, log };

struct FileHeader {
  FileRole role = FileRole::rows;
  StoreIdentity identity;
  std::uint64_t number = 0;  // generation of rows and slots, number of a log
  std::uint64_t salt = 0;
  std::uint64_t first_lsn = 0;  // of a log
  // Of a log: every batch up to it was durable before the log was made; 0 if its maker does not say.
  std::uint64_t durable_lsn = 0;

  [[nodiscard]] std::array<std::byte, kHeaderBytes> encode() const;
  // Errors: truncated, corrupt, format_version; they name `path`.
  [[nodiscard]] static Result<FileHeader> decode(std::span<const std::byte> bytes, FileRole role,
                                                 const std::string& path);
  // Makes the file at `path`, which must not exist, with this header, and syncs it (not the directory).
  // Errors: exists, no_space, io.
  [[nodiscard]] Result<std::unique_ptr<os::File>> create_file(os::FileSystem& file_system,
                                                              const std::string& path) const;
  // Reads the header of `file`, which must be that of `number` in the store `identity`.
  // Errors: as decode, and corrupt if it belongs elsewhere.
  [[nodiscard]] static Result<FileHeader> read(os::File& file, FileRole role,
                                               const StoreIdentity& identity, std::uint64_t number);
};

enum class OperationKind : std::uint8_t { put = 1, remove = 2 };

// That batch `lsn` put `id` into `row`, or removed it.
struct SlotEntry {
  OperationKind kind = OperationKind::put;
  std::uint64_t id = 0;
  std::uint64_t row = 0;
  std::uint64_t lsn = 0;
  std::uint64_t row_checksum = 0;

  // `bytes` has kSlotEntryBytes; `seed` is the file's salt plus the entry's index.
  void encode(std::span<std::byte> bytes, std::uint64_t seed) const noexcept;
  // False if the checksum or a field is wrong; `entry` is then unspecified.
  [[nodiscard]] static bool decode(std::span<const std::byte> bytes, std::uint64_t seed,
                                   SlotEntry& entry) noexcept;
};

// Reads a kind of 4 bytes; false if it is none.
[[nodiscard]] bool decode_kind(std::span<const std::byte> bytes, std::size_t offset,
                               OperationKind& kind) noexcept;

// An id that no other store has.
[[nodiscard]] StoreId random_store_id();

// Names of files in a store's directory.
inline constexpr const char* kManifestName = "MANIFEST";
inline constexpr const char* kManifestTemporaryName = "MANIFEST.tmp";
inline constexpr const char* kLockName = "LOCK";
[[nodiscard]] std::string rows_name(std::uint64_t generation);
[[nodiscard]] std::string slots_name(std::uint64_t generation);
[[nodiscard]] std::string log_name(std::uint64_t number);
// The number in a log's name; false if `name` is no log's.
[[nodiscard]] bool parse_log_name(const std::string& name, std::uint64_t& number);
// The generation in the name of a rows or slots file; false if `name` is none.
[[nodiscard]] bool parse_generation_name(const std::string& name, std::uint64_t& generation);
// True of the name of the report of a repair that has not renamed the old files yet.
[[nodiscard]] bool is_unfinished_repair(const std::string& name);
// A file that a log will be made of.
[[nodiscard]] std::string spare_name(std::uint64_t number);

}  // namespace quire::vector
