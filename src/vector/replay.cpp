#include "vector/replay.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"

namespace quire::vector {

namespace {

std::unexpected<Error> damage(std::string path, ByteRange range, std::string what) {
  return std::unexpected(Error(ErrorCode::corrupt, "open")
                             .with_path(std::move(path))
                             .with_range(range)
                             .with_detail(std::move(what)));
}

// True if a last log without a valid header was being made when the power went: nothing is behind the
// header. Otherwise it had records, and the header is damaged. `header_error` is why it is not valid.
Result<bool> is_unfinished(os::FileSystem& file_system, const std::string& path,
                           const Error& header_error) {
  const bool about_content =
      header_error.code() == ErrorCode::corrupt || header_error.code() == ErrorCode::truncated;
  if (!about_content) return false;
  QUIRE_TRY(auto file, file_system.open(path, os::OpenMode::read));
  QUIRE_TRY(const os::FileInfo info, file->info());
  std::vector<std::byte> block(std::size_t{64} << 10);
  for (std::uint64_t at = kHeaderBytes; at < info.size; at += block.size()) {
    const auto bytes = std::span(block).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), info.size - at)));
    QUIRE_CHECK(file->read_exactly(at, bytes));
    const auto is_set = [](std::byte byte) { return byte != std::byte{0}; };
    if (std::ranges::any_of(bytes, is_set)) return false;
  }
  return true;
}

class Replayer {
 public:
  Replayer(LogSet logs, const Manifest& manifest, const RowFile& rows, const BatchVisitor& visit,
           const ReplayBounds& bounds)
      : logs_(std::move(logs.logs)),
        has_unfinished_(logs.has_unfinished),
        manifest_(manifest),
        rows_(rows),
        visit_(visit),
        bounds_(bounds),
        most_(bounds.last_lsn.value_or(std::numeric_limits<std::uint64_t>::max() - 1)),
        expected_(manifest.checkpoint_lsn + 1) {
    outcome_.next_log_number = logs.next_number;
  }

  Result<ReplayOutcome> run() {
    for (std::size_t i = 0; i < logs_.size(); ++i) {
      const bool is_last = i + 1 == logs_.size();
      const std::uint64_t end_lsn =
          is_last ? std::numeric_limits<std::uint64_t>::max() : logs_[i + 1].header().first_lsn;
      QUIRE_CHECK(replay(logs_[i], end_lsn));
      outcome_.log_bytes += logs_[i].position() - kHeaderBytes;
      outcome_.tail_log = logs_[i].header().number;
      outcome_.tail_position = logs_[i].position();
      if (expected_ > most_) break;
      if (expected_ == end_lsn) continue;
      if (bounds_.tail_may_be_growing && is_last) break;
      QUIRE_TRY(const bool may_be_a_tail, nothing_follows(i + 1));
      if (!may_be_a_tail) {
        return damage(logs_[i].path(), {logs_[i].position(), 0},
                      "the record of batch " + std::to_string(expected_) +
                          " is missing or damaged, and the next log begins with batch " +
                          std::to_string(end_lsn));
      }
      QUIRE_CHECK(judge_tail(logs_[i]));
      break;
    }
    if (bounds_.last_lsn && expected_ <= most_) {
      return damage(logs_.back().path(), {logs_.back().position(), 0},
                    "the record of batch " + std::to_string(expected_) +
                        " is missing, though the writer has acknowledged batch " +
                        std::to_string(most_));
    }
    outcome_.last_lsn = expected_ - 1;
    QUIRE_TRY(const bool last_is_empty, nothing_follows(logs_.size() - 1));
    if (last_is_empty && !has_unfinished_ && logs_.back().header().first_lsn == expected_) {
      outcome_.empty_log = logs_.back().header().number;
    }
    return std::move(outcome_);
  }

 private:
  // Takes records until `end_lsn`, or until there is no further one that counts.
  Result<void> replay(LogReader& log, std::uint64_t end_lsn) {
    Record record;
    while (expected_ < end_lsn && expected_ <= most_) {
      QUIRE_TRY(const bool valid, log.peek(record));
      if (!valid || record.head.lsn != expected_ || record.head.part != parts_ ||
          record.head.generation != manifest_.generation || !spares_the_checkpoint(record)) {
        return {};
      }
      if (record.head.kind == RecordKind::rows_in_file) {
        QUIRE_TRY(const bool intact, rows_are_intact(record.operations));
        if (!intact) return {};
      }
      log.advance(record);
      QUIRE_CHECK(take(record));
    }
    return {};
  }

  // True if the logs from index `first` on hold no byte behind their headers, and none says that the next
  // batch was durable.
  Result<bool> nothing_follows(std::size_t first) {
    for (std::size_t i = first; i < logs_.size(); ++i) {
      if (logs_[i].header().durable_lsn >= expected_) return false;
      QUIRE_TRY(const bool empty, logs_[i].only_zeros_follow());
      if (!empty) return false;
    }
    return true;
  }

  // Rows of the checkpoint are never written again. A record that does not carry its rows may name some
  // below the row limit: a bulk load claimed them before the checkpoint and committed them after it.
  bool spares_the_checkpoint(const Record& record) const {
    if (record.head.kind == RecordKind::rows_in_file) return true;
    return std::ranges::all_of(record.operations, [&](const Operation& operation) {
      return operation.kind == OperationKind::remove || operation.row >= manifest_.row_limit;
    });
  }

  Result<void> take(const Record& record) {
    batch_.lsn = record.head.lsn;
    batch_.carries_rows = record.head.kind == RecordKind::inline_rows;
    batch_.operations.insert(batch_.operations.end(), record.operations.begin(),
                             record.operations.end());
    batch_.carried_rows.insert(batch_.carried_rows.end(), record.rows.begin(), record.rows.end());
    ++parts_;
    if (!record.head.last_part) return {};
    QUIRE_CHECK(visit_(batch_));
    ++outcome_.batches;
    ++expected_;
    forget_parts();
    return {};
  }

  void forget_parts() {
    parts_ = 0;
    batch_ = {};
  }

  Result<bool> rows_are_intact(const std::vector<Operation>& operations) const {
    const auto stride = static_cast<std::size_t>(rows_.stride());
    std::vector<std::byte> rows;
    for (std::size_t first = 0; first < operations.size();) {
      const std::size_t count = run_of_puts(operations, first, stride);
      if (count == 0) {
        ++first;
        continue;
      }
      rows.resize(count * stride);
      if (auto read = rows_.read(operations[first].row, rows); !read) {
        if (read.error().code() == ErrorCode::truncated) return false;
        return std::unexpected(std::move(read).error());
      }
      for (std::size_t i = 0; i < count; ++i) {
        const auto row = std::span<const std::byte>(rows).subspan(i * stride, stride);
        if (base::checksum(row) != operations[first + i].row_checksum) return false;
      }
      first += count;
    }
    return true;
  }

  // What follows the last record of the last log that is not empty: nothing, a torn tail, or damage.
  Result<void> judge_tail(LogReader& log) {
    const bool has_parts = parts_ > 0;
    forget_parts();
    QUIRE_TRY(const bool clean, log.only_zeros_follow());
    if (clean && !has_parts) return {};
    QUIRE_TRY(const bool was_durable, log.proves_durable(expected_));
    if (was_durable) {
      return damage(log.path(), {log.position(), log.size() - log.position()},
                    "the record of batch " + std::to_string(expected_) +
                        " is damaged, or the rows it names are; a later record says that it was "
                        "durable");
    }
    outcome_.dropped_bytes = std::max<std::uint64_t>(log.size() - log.position(), 1);
    outcome_.dropped_from = log.path();
    return {};
  }

  std::vector<LogReader> logs_;
  const bool has_unfinished_;
  const Manifest& manifest_;
  const RowFile& rows_;
  const BatchVisitor& visit_;
  const ReplayBounds bounds_;
  const std::uint64_t most_;  // the last LSN that counts

  std::uint64_t expected_;   // LSN of the next batch
  std::uint32_t parts_ = 0;  // of it that were read
  ReplayedBatch batch_;
  ReplayOutcome outcome_;
};

}  // namespace

std::size_t run_of_puts(std::span<const Operation> operations, std::size_t first,
                        std::size_t stride) noexcept {
  if (operations[first].kind != OperationKind::put) return 0;
  const std::size_t most = std::max<std::size_t>((std::size_t{1} << 20) / stride, 1);
  std::size_t count = 1;
  while (count < most && first + count < operations.size() &&
         operations[first + count].kind == OperationKind::put &&
         operations[first + count].row == operations[first].row + count) {
    ++count;
  }
  return count;
}

Result<LogSet> open_logs(os::FileSystem& file_system, const std::string& directory,
                         const Manifest& manifest) {
  QUIRE_TRY(const auto names, file_system.list(directory));
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names) {
    std::uint64_t number = 0;
    if (parse_log_name(name, number) && number >= manifest.first_log) numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  LogSet set;
  set.next_number = manifest.first_log;
  for (std::size_t i = 0; i == 0 || i < numbers.size(); ++i) {
    const std::uint64_t wanted = manifest.first_log + i;
    const std::string path = os::join_path(directory, log_name(wanted));
    if (i == numbers.size() || numbers[i] != wanted) {
      return damage(path, {0, 0}, "the log is missing");
    }
    auto log = LogReader::open(file_system, directory, manifest.identity, wanted);
    if (!log) {
      const bool may_be_unfinished = i > 0 && i + 1 == numbers.size();
      if (!may_be_unfinished) return std::unexpected(std::move(log).error());
      QUIRE_TRY(set.has_unfinished, is_unfinished(file_system, path, log.error()));
      if (!set.has_unfinished) return std::unexpected(std::move(log).error());
      break;
    }
    set.logs.push_back(*std::move(log));
    set.next_number = wanted + 1;
  }
  return set;
}

Result<ReplayOutcome> replay_logs(LogSet logs, const Manifest& manifest, const RowFile& rows,
                                  const BatchVisitor& visit, const ReplayBounds& bounds) {
  return Replayer(std::move(logs), manifest, rows, visit, bounds).run();
}

}  // namespace quire::vector
