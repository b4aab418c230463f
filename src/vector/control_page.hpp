// What the file LOCK of a store holds: what a living writer tells readers. Byte-exact:
// docs/formats/vector-store.md, section LOCK.
//
// It means nothing without a living writer: whoever reads it asks first whether the file is locked
// (os::File::is_locked_exclusively). It is never synced.
//
// A reader is beside the writer and takes no lock, so it may read half an old page and half a new one.
// Invariant: what a function here returns stood in the file at one moment; a checksum covers it, and a
// wrong one is read again before it is believed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "os/file_system.hpp"
#include "vector/format.hpp"

namespace quire::vector {

inline constexpr std::uint64_t kControlPageBytes = 64;
inline constexpr std::uint64_t kMetricsBlockOffset = 4096;
// The text of a metrics block is shorter.
inline constexpr std::uint64_t kMetricsTextLimit = std::uint64_t{1} << 20;

struct ControlPage {
  StoreId store{};
  std::uint64_t generation = 0;
  std::uint64_t published_lsn = 0;  // the last batch that was acknowledged

  friend bool operator==(const ControlPage&, const ControlPage&) = default;
};

// Of the writer, who holds the exclusive lock on `lock`. Calls for the page take turns, and so do calls for
// the metrics; one of each may run at once.

// Tells readers of a batch: one write of 64 bytes. Errors: no_space (where the file held no page yet), io.
[[nodiscard]] Result<void> write_control_page(os::File& lock, const StoreIdentity& identity,
                                              std::uint64_t generation,
                                              std::uint64_t published_lsn);
// Takes back what an earlier writer told: the page is zero and the metrics are gone. Needs no space.
// Errors: io.
[[nodiscard]] Result<void> clear_control_page(os::File& lock);
// Replaces the metrics. `json` is a whole JSON text. Errors: invalid_argument (1 MiB or more; nothing is
// written), no_space, io.
[[nodiscard]] Result<void> write_metrics_block(os::File& lock, std::string_view json);

// Of readers; beside the writer, from any thread.

// Nothing if there is no page: the file is short, the page is zero, or it is not valid and stays so.
// Errors: io.
[[nodiscard]] Result<std::optional<ControlPage>> read_control_page(os::File& lock);
// The JSON text, which is not looked into. Nothing if there is none, as above. Errors: io.
[[nodiscard]] Result<std::optional<std::string>> read_metrics_block(os::File& lock);

}  // namespace quire::vector
