#include "vector/salvage.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "vector/log_reader.hpp"
#include "vector/mend.hpp"
#include "vector/readable_file.hpp"

namespace quire::vector {

namespace {

constexpr std::uint64_t kEntriesAtOnce = 16'384;
constexpr const char* kFoundAgain =
    "it is missing or cannot be read, and was found again from the other files; nothing proves "
    "that the "
    "last batch of the checkpoint is there to its end";
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

bool is_about_content(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::truncated ||
         error.code() == ErrorCode::format_version;
}

std::unexpected<Error> cannot_repair(const std::string& path, std::string why) {
  return std::unexpected(
      Error(ErrorCode::corrupt, "repair").with_path(path).with_detail(std::move(why)));
}

// The first bytes of a file, as many of `most` as it has.
Result<std::vector<std::byte>> first_bytes(os::File& file, std::uint64_t most) {
  QUIRE_TRY(const os::FileInfo info, file.info());
  std::vector<std::byte> bytes(static_cast<std::size_t>(std::min(info.size, most)));
  QUIRE_CHECK(file.read_exactly(0, bytes));
  return bytes;
}

class Salvager {
 public:
  Salvager(os::FileSystem& file_system, std::string directory, const RepairOptions& options)
      : file_system_(file_system), directory_(std::move(directory)), options_(options) {}

  Result<Salvage> run() {
    QUIRE_TRY(names_, file_system_.list(directory_));
    QUIRE_CHECK(find_manifest());
    QUIRE_CHECK(open_rows());
    QUIRE_CHECK(read_entries());
    QUIRE_CHECK(read_logs());
    judge_doubts();
    collect();
    return std::move(salvage_);
  }

 private:
  // The newest that is known of an id.
  struct Newest {
    SalvagedVector vector;
    bool is_put = false;
    std::uint64_t entry = kNever;  // its index in the slots file; kNever if it is from a log
  };

  // A log, and the LSN of its first record if that is known.
  struct Log {
    LogReader reader;
    std::uint64_t number = 0;
    std::optional<std::uint64_t> first_lsn;
    std::uint64_t durable_lsn = 0;  // that the header says
  };

  RepairReport& report() { return salvage_.report; }
  const Manifest& manifest() const { return salvage_.manifest; }
  std::string path(const std::string& name) const { return os::join_path(directory_, name); }

  void note(const std::string& file, ByteRange range, std::string what) {
    report().needed = true;
    report().damaged.push_back(
        {.file = file, .range = range, .what = std::move(what), .id = std::nullopt});
  }

  // The file, or nothing if it is not there. What the device cannot read of it is damage.
  Result<std::unique_ptr<os::File>> open_file(const std::string& name) {
    return open_file(name, [this](const std::string& where, ByteRange range) {
      if (unreadable_.emplace(where, range.offset).second) {
        note(where, range, "the device cannot read it");
      }
    });
  }

  Result<std::unique_ptr<os::File>> open_file(const std::string& name, UnreadableVisitor visit) {
    auto file = file_system_.open(path(name), os::OpenMode::read);
    if (!file && file.error().code() == ErrorCode::not_found) return std::unique_ptr<os::File>();
    if (!file) return file;
    return readable_file(*std::move(file), std::move(visit));
  }

  // --- MANIFEST

  Result<void> find_manifest() {
    const std::string where = path(kManifestName);
    QUIRE_TRY(auto file, open_file(kManifestName));
    if (file) {
      QUIRE_TRY(const auto bytes, first_bytes(*file, kManifestBytes));
      auto manifest = Manifest::decode(bytes, where);
      if (manifest) {
        salvage_.manifest = *manifest;
        return {};
      }
      if (const auto mended = mend_manifest(bytes, where)) {
        note(where, {0, kManifestBytes}, "one byte is wrong and can be set right");
        salvage_.manifest = *mended;
        salvage_.manifest_was_lost = true;
        return {};
      }
      if (manifest.error().code() == ErrorCode::format_version) {
        return std::unexpected(std::move(manifest).error());
      }
      note(where, {0, kManifestBytes}, kFoundAgain);
    } else {
      note(where, {0, 0}, kFoundAgain);
    }
    salvage_.manifest_was_lost = true;
    is_derived_ = true;
    return derive_manifest();
  }

  // From headers and names: identity, generation, first log, checkpoint. Entries say the rest.
  Result<void> derive_manifest() {
    std::set<std::uint64_t> generations;
    std::set<std::uint64_t> logs;
    for (const std::string& name : names_) {
      std::uint64_t number = 0;
      if (parse_generation_name(name, number)) generations.insert(number);
      if (parse_log_name(name, number)) logs.insert(number);
    }
    if (generations.empty() && logs.empty()) {
      return std::unexpected(Error(ErrorCode::not_found, "repair")
                                 .with_path(directory_)
                                 .with_detail("there is no vector store here"));
    }
    if (generations.size() != 1 || logs.empty()) {
      return cannot_repair(directory_,
                           generations.size() > 1
                               ? "MANIFEST is lost, and there are files of more than one generation"
                               : "MANIFEST is lost, and so are other files");
    }
    Manifest& manifest = salvage_.manifest;
    manifest.generation = *generations.begin();
    manifest.durability = options_.durability.value_or(Durability::power_loss);
    // Logs before a gap are left over from before the checkpoint.
    manifest.first_log = *logs.rbegin();
    while (logs.contains(manifest.first_log - 1)) --manifest.first_log;
    QUIRE_TRY(manifest.identity, agreed_identity(logs));
    QUIRE_TRY(const auto first,
              header_of(FileRole::log, log_name(manifest.first_log), manifest.first_log));
    if (!first || !first->is_proven || first->header.first_lsn == 0) {
      return cannot_repair(path(log_name(manifest.first_log)),
                           "MANIFEST is lost, and this log does not say where it begins");
    }
    manifest.checkpoint_lsn = first->header.first_lsn - 1;
    return {};
  }

  // Whose all files are whose headers are whole.
  Result<StoreIdentity> agreed_identity(const std::set<std::uint64_t>& logs) {
    std::optional<StoreIdentity> agreed;
    std::vector<std::pair<std::string, FileRole>> files{
        {rows_name(manifest().generation), FileRole::rows},
        {slots_name(manifest().generation), FileRole::slots}};
    for (const std::uint64_t log : logs) files.emplace_back(log_name(log), FileRole::log);
    for (const auto& [name, role] : files) {
      QUIRE_TRY(auto file, open_file(name));
      if (!file) continue;
      QUIRE_TRY(const auto block, first_bytes(*file, kHeaderBytes));
      const auto header = FileHeader::decode(block, role, path(name));
      if (!header) continue;
      if (agreed && *agreed != header->identity) {
        return cannot_repair(path(name), "MANIFEST is lost, and files are of different stores");
      }
      agreed = header->identity;
    }
    if (agreed) return *agreed;
    return cannot_repair(directory_, "MANIFEST is lost, and no file says whose it is");
  }

  // --- Headers

  // The header of a file, mended if it must; nothing if the file is missing or cut inside the header.
  Result<std::optional<MendedHeader>> header_of(FileRole role, const std::string& name,
                                                std::uint64_t number) {
    QUIRE_TRY(auto file, open_file(name));
    if (!file) return std::nullopt;
    QUIRE_TRY(const auto block, first_bytes(*file, kHeaderBytes));
    if (block.size() < kHeaderBytes) return std::nullopt;
    const auto header = FileHeader::read(*file, role, manifest().identity, number);
    if (header) return MendedHeader{.header = *header, .is_proven = true};
    if (!is_about_content(header.error())) return std::unexpected(header.error());
    FileHeader known;
    known.role = role;
    known.identity = manifest().identity;
    known.number = number;
    return mend_header(block, known);
  }

  // Notes a header that is not what it must be.
  Result<void> check_header(FileRole role, const std::string& name, std::uint64_t number) {
    QUIRE_TRY(auto file, open_file(name));
    if (!file) {
      note(path(name), {0, 0}, "the file is missing");
      return {};
    }
    const auto header = FileHeader::read(*file, role, manifest().identity, number);
    if (header) return {};
    if (!is_about_content(header.error())) return std::unexpected(header.error());
    note(path(name), {0, kHeaderBytes},
         header.error().detail().empty() ? "the header is wrong" : header.error().detail());
    return {};
  }

  // --- Rows and entries

  Result<void> open_rows() {
    const std::string name = rows_name(manifest().generation);
    QUIRE_CHECK(check_header(FileRole::rows, name, manifest().generation));
    // It outlives this, and whoever reads a row learns by its checksum that it is damaged.
    QUIRE_TRY(salvage_.rows, open_file(name, [](const std::string&, ByteRange) {}));
    if (!salvage_.rows) return {};
    QUIRE_TRY(const os::FileInfo info, salvage_.rows->info());
    const std::uint64_t end = kHeaderBytes + manifest().row_limit * manifest().identity.stride();
    if (info.size < end) {
      note(path(name), {info.size, end - info.size}, "rows are missing at the end of the file");
    }
    return {};
  }

  Result<void> read_entries() {
    const std::string name = slots_name(manifest().generation);
    QUIRE_CHECK(check_header(FileRole::slots, name, manifest().generation));
    QUIRE_TRY(auto file, open_file(name));
    QUIRE_TRY(const auto header, header_of(FileRole::slots, name, manifest().generation));
    const bool count_is_known = !is_derived_;
    if ((!file || !header) && (is_derived_ || manifest().slot_count > 0)) {
      return cannot_repair(path(name), "without this list nothing says which vectors the rows are");
    }
    std::uint64_t there = 0;
    if (file && header) {
      QUIRE_TRY(const os::FileInfo info, file->info());
      there = (info.size - std::min(info.size, kHeaderBytes)) / kSlotEntryBytes;
    }
    if (!count_is_known) {
      QUIRE_TRY(there, entries_before_zeros(*file, there));
    }
    const std::uint64_t count = count_is_known ? manifest().slot_count : there;
    std::vector<std::byte> block;
    for (std::uint64_t first = 0; first < std::min(count, there); first += kEntriesAtOnce) {
      const std::uint64_t entries = std::min(kEntriesAtOnce, std::min(count, there) - first);
      block.resize(static_cast<std::size_t>(entries * kSlotEntryBytes));
      QUIRE_CHECK(file->read_exactly(kHeaderBytes + first * kSlotEntryBytes, block));
      for (std::uint64_t i = 0; i < entries; ++i) {
        const auto bytes = std::span<const std::byte>(block).subspan(
            static_cast<std::size_t>(i * kSlotEntryBytes), kSlotEntryBytes);
        if (!take_entry(bytes, header->header.salt, first + i))
          return finish_entries(name, first + i);
      }
    }
    if (count > there) {
      lose_entries(name, there, count - there, "entries are missing at the end of the file");
    }
    return finish_entries(name, count);
  }

  // How many of `there` entries are left without those at the end that are all zero: space taken ahead.
  static Result<std::uint64_t> entries_before_zeros(os::File& file, std::uint64_t there) {
    std::vector<std::byte> block;
    while (there > 0) {
      const std::uint64_t entries = std::min(kEntriesAtOnce, there);
      block.resize(static_cast<std::size_t>(entries * kSlotEntryBytes));
      QUIRE_CHECK(file.read_exactly(kHeaderBytes + (there - entries) * kSlotEntryBytes, block));
      const auto last = std::find_if(block.rbegin(), block.rend(),
                                     [](std::byte byte) { return byte != std::byte{0}; });
      const auto zeros = static_cast<std::uint64_t>(last - block.rbegin());
      there -= zeros / kSlotEntryBytes;
      if (last != block.rend()) break;
    }
    return there;
  }

  // False if it is the first that does not count, of a store whose MANIFEST is lost.
  bool take_entry(std::span<const std::byte> bytes, std::uint64_t salt, std::uint64_t index) {
    const std::string name = slots_name(manifest().generation);
    const ByteRange place{kHeaderBytes + index * kSlotEntryBytes, kSlotEntryBytes};
    SlotEntry entry;
    const bool count_is_known = !is_derived_;
    bool is_good = SlotEntry::decode(bytes, salt + index, entry);
    if (!is_good && mend_entry(bytes, salt + index, entry)) {
      is_good = true;
      note(path(name), place,
           "one byte of entry " + std::to_string(index) + " is wrong and can be set right");
    }
    if (is_good && !count_is_known && entry.lsn > manifest().checkpoint_lsn) return false;
    const bool is_possible = is_good && entry.lsn >= last_entry_lsn_ &&
                             entry.lsn <= manifest().checkpoint_lsn &&
                             (entry.kind == OperationKind::remove ||
                              entry.row < (count_is_known ? manifest().row_limit : kMaxRows));
    if (!is_possible) {
      lose_entries(name, index, 1, "entry " + std::to_string(index) + " cannot be read");
      return true;
    }
    last_entry_lsn_ = entry.lsn;
    if (entry.kind == OperationKind::put)
      rows_of_entries_ = std::max(rows_of_entries_, entry.row + 1);
    apply(entry, index);
    return true;
  }

  void lose_entries(const std::string& name, std::uint64_t first, std::uint64_t count,
                    std::string what) {
    note(path(name), {kHeaderBytes + first * kSlotEntryBytes, count * kSlotEntryBytes},
         std::move(what));
    report().lost_entries += count;
    last_lost_entry_ = first + count - 1;
  }

  // What the MANIFEST said of the entries, or must have said.
  Result<void> finish_entries(const std::string& name, std::uint64_t count) {
    Manifest& manifest = salvage_.manifest;
    if (is_derived_) {
      // Nothing says how many there must be; but the last batch left one.
      if (last_entry_lsn_ != manifest.checkpoint_lsn) {
        return cannot_repair(path(name), "MANIFEST is lost, and so are entries of batches from " +
                                             std::to_string(last_entry_lsn_ + 1) + " on");
      }
      manifest.slot_count = count;
      manifest.row_limit = rows_of_entries_;
      manifest.live = live_;
      manifest.history_lsn = manifest.generation == 1 ? 0 : manifest.checkpoint_lsn;
    }
    if (report().lost_entries == 0 && manifest.live != live_) {
      note(path(name), {kHeaderBytes, count * kSlotEntryBytes},
           "the entries have " + std::to_string(live_) + " live ids, the manifest says " +
               std::to_string(manifest.live));
    }
    live_at_checkpoint_ = live_;
    return {};
  }

  void apply(const SlotEntry& entry, std::uint64_t index) {
    Newest& newest = newest_[entry.id];
    live_ -= newest.is_put ? 1U : 0U;
    newest.is_put = entry.kind == OperationKind::put;
    live_ += newest.is_put ? 1U : 0U;
    newest.entry = index;
    newest.vector = {
        .id = entry.id, .row = entry.row, .lsn = entry.lsn, .row_checksum = entry.row_checksum};
  }

  // --- Logs

  Result<void> read_logs() {
    expected_ = manifest().checkpoint_lsn + 1;
    QUIRE_CHECK(open_logs());
    for (std::size_t i = 0; i < logs_.size(); ++i) {
      const std::uint64_t end_lsn = i + 1 < logs_.size() ? *logs_[i + 1].first_lsn : kNever;
      QUIRE_CHECK(replay(i, end_lsn));
      if (expected_ == end_lsn) continue;
      QUIRE_TRY(const bool nothing_more, nothing_follows(i + 1));
      QUIRE_CHECK(judge_end(i, nothing_more));
      break;
    }
    if (is_incomplete_ && !report().lost_batches) QUIRE_CHECK(lose_from(logs_.size()));
    salvage_.last_lsn = std::max(salvage_.last_lsn, expected_ - 1);
    return {};
  }

  // Opens the logs that count, up to one that is missing or that nobody can read.
  Result<void> open_logs() {
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : names_) {
      std::uint64_t number = 0;
      if (parse_log_name(name, number) && number >= manifest().first_log) numbers.push_back(number);
    }
    std::ranges::sort(numbers);
    std::uint64_t wanted = manifest().first_log;
    if (numbers.empty() || numbers.front() != wanted) {
      note(path(log_name(wanted)), {0, 0}, "the log is missing");
      is_incomplete_ = true;
      unused_ = std::move(numbers);
      return {};
    }
    for (std::size_t i = 0; i < numbers.size(); ++i, ++wanted) {
      if (numbers[i] != wanted) {
        note(path(log_name(wanted)), {0, 0}, "the log is missing");
        is_incomplete_ = true;
      } else {
        QUIRE_TRY(const bool opened, open_log(wanted, i + 1 == numbers.size()));
        if (opened) continue;
        if (!is_incomplete_) {
          salvage_.unfinished_log = wanted;
          return {};
        }
      }
      unused_.assign(numbers.begin() + static_cast<std::ptrdiff_t>(i), numbers.end());
      return {};
    }
    return {};
  }

  // False if the log cannot be used: it was being made, or it is lost and is_incomplete_ set.
  Result<bool> open_log(std::uint64_t number, bool is_last) {
    const std::string name = log_name(number);
    QUIRE_TRY(auto file, open_file(name));
    QUIRE_TRY(const auto header, header_of(FileRole::log, name, number));
    if (header) {
      QUIRE_TRY(LogReader reader, LogReader::with_header(std::move(file), header->header));
      const auto whole = LogReader::open(file_system_, directory_, manifest().identity, number);
      if (!whole) {
        QUIRE_TRY(const bool is_empty, reader.only_zeros_follow());
        if (is_empty && is_last && !logs_.empty()) return false;
        QUIRE_CHECK(check_header(FileRole::log, name, number));
      }
      std::optional<std::uint64_t> first_lsn;
      if (header->is_proven) first_lsn = header->header.first_lsn;
      if (!first_lsn) {
        Record record;
        QUIRE_TRY(const bool valid, reader.peek(record));
        if (valid) first_lsn = record.head.lsn;
      }
      if (first_lsn || logs_.empty()) {
        logs_.push_back(
            {.reader = std::move(reader),
             .number = number,
             .first_lsn = first_lsn,
             .durable_lsn = header->is_proven ? header->header.durable_lsn : std::uint64_t{0}});
        return true;
      }
    } else if (is_last && !logs_.empty()) {
      return false;  // it ends inside its header
    } else {
      QUIRE_CHECK(check_header(FileRole::log, name, number));
    }
    is_incomplete_ = true;
    return false;
  }

  Result<void> replay(std::size_t which, std::uint64_t end_lsn) {
    LogReader& log = logs_[which].reader;
    Record record;
    parts_.clear();
    while (expected_ < end_lsn) {
      QUIRE_TRY(const bool valid, log.peek(record));
      if (!valid || record.head.lsn != expected_ || record.head.part != parts_.size() ||
          record.head.generation != manifest().generation || overwrites(record)) {
        return {};
      }
      if (!rows_are_whole(record)) {
        // Torn, unless it was durable: then it counts, and the row check finds what is damaged of it.
        QUIRE_TRY(const bool was_durable, log.proves_durable(expected_));
        QUIRE_TRY(const bool nothing_more, nothing_follows(which + 1));
        if (!was_durable && nothing_more) return {};
        note(log.path(), {log.position(), record.length},
             "rows that the record of batch " + std::to_string(expected_) +
                 " names are damaged, and were durable");
      }
      log.advance(record);
      const bool is_last = record.head.last_part;
      parts_.push_back(std::move(record));
      if (is_last) take_batch();
      record = {};
    }
    return {};
  }

  bool overwrites(const Record& record) const {
    return record.head.kind == RecordKind::inline_rows &&
           std::ranges::any_of(record.operations, [&](const Operation& operation) {
             return operation.kind == OperationKind::put && operation.row < manifest().row_limit;
           });
  }

  bool rows_are_whole(const Record& record) const {
    if (record.head.kind == RecordKind::inline_rows) return true;
    std::vector<std::byte> row(static_cast<std::size_t>(manifest().identity.stride()));
    return std::ranges::all_of(record.operations, [&](const Operation& operation) {
      const SalvagedVector vector{.id = operation.id,
                                  .row = operation.row,
                                  .lsn = record.head.lsn,
                                  .row_checksum = operation.row_checksum};
      return operation.kind == OperationKind::remove || salvage_.read_row(vector, row);
    });
  }

  void take_batch() {
    const auto stride = static_cast<std::size_t>(manifest().identity.stride());
    for (const Record& record : parts_) {
      std::size_t at = 0;
      for (const Operation& operation : record.operations) {
        apply(entry_of(operation, expected_), kNever);
        const bool carries = record.head.kind == RecordKind::inline_rows;
        if (operation.kind != OperationKind::put || !carries) continue;
        const auto row = std::span(record.rows).subspan(at, stride);
        salvage_.carried[operation.row].assign(row.begin(), row.end());
        at += stride;
      }
    }
    parts_.clear();
    ++expected_;
  }

  // True if the logs from index `first` on hold no byte behind their headers, none says that the next batch was
  // durable, and none is unused.
  Result<bool> nothing_follows(std::size_t first) {
    for (std::size_t i = first; i < logs_.size(); ++i) {
      if (logs_[i].durable_lsn >= expected_) return false;
      QUIRE_TRY(const bool empty, logs_[i].reader.only_zeros_follow());
      if (!empty) return false;
    }
    return !is_incomplete_;
  }

  bool is_unreadable_from(const LogReader& log) const {
    return std::ranges::any_of(unreadable_, [&](const auto& sector) {
      return sector.first == log.path() && sector.second + kSectorBytes > log.position();
    });
  }

  // Log `which` ends here: as it should, in a torn tail, or in damage.
  Result<void> judge_end(std::size_t which, bool nothing_more) {
    LogReader& log = logs_[which].reader;
    // A part that cannot be read is no torn write.
    if (nothing_more && !is_unreadable_from(log)) {
      QUIRE_TRY(const bool clean, log.only_zeros_follow());
      if (clean && parts_.empty()) return {};
      // A log whose salt is lost shows none of its records; that it holds some is all that can be seen.
      if (!logs_[which].first_lsn) {
        note(log.path(), {log.position(), log.size() - log.position()},
             "no record can be read, for what the header says of them is lost");
        return lose_from(which);
      }
      auto was_durable = log.proves_durable(expected_);
      if (was_durable && !*was_durable) {
        salvage_.report.dropped_bytes = log.size() - log.position();
        salvage_.report.dropped_from = log.path();
        return {};
      }
      if (!was_durable && was_durable.error().code() != ErrorCode::corrupt) {
        return std::unexpected(std::move(was_durable).error());
      }
    }
    note(log.path(), {log.position(), log.size() - log.position()},
         "the record of batch " + std::to_string(expected_) +
             " is missing or damaged, and it was durable");
    return lose_from(which);
  }

  // The batches from `expected_` on are lost. What follows tells how many there were.
  Result<void> lose_from(std::size_t which) {
    LostBatches lost{.first_lsn = expected_, .last_lsn = expected_, .bytes = 0};
    for (const std::uint64_t number : unused_) {
      QUIRE_TRY(const auto info, file_system_.info(path(log_name(number))));
      lost.bytes += info.size - std::min(info.size, kHeaderBytes);
      QUIRE_TRY(const auto header, header_of(FileRole::log, log_name(number), number));
      if (!header) continue;
      if (header->is_proven && header->header.first_lsn > 0) {
        lost.last_lsn = std::max(lost.last_lsn, header->header.first_lsn - 1);
      }
      QUIRE_TRY(auto file, open_file(log_name(number)));
      if (!file) continue;
      QUIRE_TRY(LogReader reader, LogReader::with_header(std::move(file), header->header));
      QUIRE_CHECK(find_last(reader, lost));
    }
    for (std::size_t i = which; i < logs_.size(); ++i) {
      LogReader& reader = logs_[i].reader;
      lost.bytes += reader.size() - reader.position();
      if (i > which && *logs_[i].first_lsn > 0) {
        lost.last_lsn = std::max(lost.last_lsn, *logs_[i].first_lsn - 1);
      }
      QUIRE_CHECK(find_last(reader, lost));
    }
    parts_.clear();
    salvage_.last_lsn = lost.last_lsn;
    report().lost_batches = lost;
    return {};
  }

  static Result<void> find_last(LogReader& reader, LostBatches& lost) {
    Record record;
    while (true) {
      const auto found = reader.skip_to_valid(record);
      if (!found && found.error().code() == ErrorCode::corrupt) return {};  // it could take forever
      if (!found) return std::unexpected(found.error());
      if (!*found) return {};
      lost.last_lsn = std::max(lost.last_lsn, record.head.lsn);
      reader.advance(record);
    }
  }

  // --- What comes of it

  // Proof 3 at the top of the header.
  void judge_doubts() {
    if (report().lost_entries == 0) return;
    const bool each_was_new = live_at_checkpoint_ <= manifest().live &&
                              manifest().live - live_at_checkpoint_ == report().lost_entries;
    if (each_was_new) return;
    for (const auto& [id, newest] : newest_) {
      if (newest.is_put && newest.entry < last_lost_entry_) report().doubtful.push_back(id);
    }
    std::ranges::sort(report().doubtful);
  }

  void collect() {
    if (options_.drop_doubtful) {
      for (const std::uint64_t id : report().doubtful) newest_[id].is_put = false;
    }
    for (const auto& [id, newest] : newest_) {
      if (newest.is_put) salvage_.vectors.push_back(newest.vector);
    }
    std::ranges::sort(salvage_.vectors, [](const SalvagedVector& a, const SalvagedVector& b) {
      return std::pair(a.lsn, a.row) < std::pair(b.lsn, b.row);
    });
  }

  os::FileSystem& file_system_;
  const std::string directory_;
  const RepairOptions& options_;
  std::vector<std::string> names_;
  Salvage salvage_;
  std::set<std::pair<std::string, std::uint64_t>> unreadable_;  // sectors: path and offset
  bool is_derived_ = false;  // the MANIFEST is put together from the other files

  std::unordered_map<std::uint64_t, Newest> newest_;
  std::uint64_t live_ = 0;
  std::uint64_t live_at_checkpoint_ = 0;
  std::uint64_t last_entry_lsn_ = 0;
  std::uint64_t rows_of_entries_ = 0;
  std::uint64_t last_lost_entry_ = 0;

  std::vector<Log> logs_;
  std::vector<std::uint64_t>
      unused_;  // numbers of logs behind one that is missing or lost, it included
  bool is_incomplete_ = false;
  std::uint64_t expected_ = 0;  // LSN of the next batch
  std::vector<Record> parts_;   // of it that were read
};

}  // namespace

bool Salvage::read_row(const SalvagedVector& vector, std::span<std::byte> out) const {
  if (const auto found = carried.find(vector.row); found != carried.end()) {
    std::ranges::copy(found->second, out.begin());
  } else {
    const std::uint64_t offset = kHeaderBytes + vector.row * manifest.identity.stride();
    if (!rows || !rows->read_exactly(offset, out)) return false;
  }
  return base::checksum(out) == vector.row_checksum;
}

Result<Salvage> salvage(os::FileSystem& file_system, const std::string& directory,
                        const RepairOptions& options) {
  return Salvager(file_system, directory, options).run();
}

}  // namespace quire::vector
