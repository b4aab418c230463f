// Replay: reads the batches since the last checkpoint out of the logs, and tells a torn tail from
// damage. The rules: docs/formats/vector-store.md, "Opening", step 3.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "os/file_system.hpp"
#include "vector/format.hpp"
#include "vector/log_reader.hpp"
#include "vector/log_record.hpp"
#include "vector/row_file.hpp"

namespace quire::vector {

// A batch as the logs tell it.
struct ReplayedBatch {
  std::uint64_t lsn = 0;
  std::vector<Operation> operations;
  // If `carries_rows`: the rows of the puts, in order, dense. Else they are in the rows file.
  std::vector<std::byte> carried_rows;
  bool carries_rows = false;
};

struct ReplayOutcome {
  std::uint64_t batches = 0;
  std::uint64_t last_lsn = 0;         // of the last batch replayed, or the checkpoint's
  std::uint64_t next_log_number = 1;  // above every log that exists
  std::uint64_t log_bytes = 0;        // of records
  // The number of a last log that holds nothing and begins with the next batch: it can be gone on with.
  std::optional<std::uint64_t> empty_log;
  std::uint64_t dropped_bytes = 0;
  std::string dropped_from;
  // Where the next batch would be: the number of a log, and the offset in it.
  std::uint64_t tail_log = 0;
  std::uint64_t tail_position = kHeaderBytes;
};

// How many operations from index `first` on put into consecutive rows, as far as these have 1 MiB or less, but one at
// least; 0 if the first puts nothing. Such rows are read or written at once.
[[nodiscard]] std::size_t run_of_puts(std::span<const Operation> operations, std::size_t first,
                                      std::size_t stride) noexcept;

// What a reader beside a living writer must know.
struct ReplayBounds {
  // Batches after it do not count yet, and all up to it are there.
  std::optional<std::uint64_t> last_lsn;
  // What follows the last whole record may just be on its way: it is neither dropped nor damage.
  bool tail_may_be_growing = false;
};

using BatchVisitor = std::function<Result<void>(const ReplayedBatch&)>;

// The logs that count, open: a writer that removes their names does not take them away.
struct LogSet {
  std::vector<LogReader> logs;
  std::uint64_t next_number = 1;  // above every log that counts
  bool has_unfinished = false;  // a last log that was being made when the power went; not in `logs`
};

// Opens every log from the manifest's first on.
// Errors: corrupt (one is missing, or its header is wrong), io.
[[nodiscard]] Result<LogSet> open_logs(os::FileSystem& file_system, const std::string& directory,
                                       const Manifest& manifest);

// Calls `visit` for each whole batch after the manifest's checkpoint, in order.
// Errors: corrupt (damage: something durable is missing), those of `visit`, io.
[[nodiscard]] Result<ReplayOutcome> replay_logs(LogSet logs, const Manifest& manifest,
                                                const RowFile& rows, const BatchVisitor& visit,
                                                const ReplayBounds& bounds = {});

}  // namespace quire::vector
