// quire import: the rows of a vector file into a store, batch by batch.
#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <span>
#include <thread>

#include "base/try.hpp"
#include "cli/arguments.hpp"
#include "cli/batch_writers.hpp"
#include "cli/command.hpp"
#include "cli/interrupt.hpp"
#include "cli/opening.hpp"
#include "cli/output.hpp"
#include "cli/places.hpp"
#include "cli/progress.hpp"
#include "cli/row_batches.hpp"
#include "cli/vector_input.hpp"
#include "cli/wording.hpp"
#include "quire/convert.hpp"
#include "quire/latency_histogram.hpp"

namespace quire::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMaxBatchBytes = std::uint64_t{1} << 30;
// Smaller batches are for one thread: a sync each is what they cost, and one more if written past the log.
constexpr std::uint64_t kLeastBytesForThreads = std::uint64_t{1} << 20;
constexpr unsigned kMostThreadsUnlessSaid = 8;
constexpr unsigned kMostThreads = 256;

struct Arguments {
  std::string directory;
  std::string file;
  std::optional<VectorFormat> format;
  std::optional<ElementType> file_type;
  std::optional<ElementType> type;  // of the store
  std::uint64_t dimension = 0;      // 0: not given
  std::uint64_t first_id = 0;
  std::uint64_t batch_rows = 0;  // 0: not given
  std::uint64_t threads = 0;     // 0: not given
  std::optional<Durability> durability;
  bool resume = false;
};

Outcome<VectorFileReader> open_file(const Arguments& arguments, const VectorInput& input,
                                    const Settings& settings) {
  VectorFileOptions options{
      .format = arguments.format, .dimension = {}, .element_type = arguments.file_type};
  if (arguments.dimension != 0) {
    options.dimension = static_cast<std::uint32_t>(arguments.dimension);
  }
  const auto format = options.format ? options.format : input.format();
  if (format == VectorFormat::raw && !options.element_type) options.element_type = arguments.type;
  if (format == VectorFormat::raw && (!options.dimension || !options.element_type)) {
    // A raw file says nothing of itself; a store that is there says it for the file.
    auto opened = VectorStore::open_read_only(arguments.directory, opening_options(settings));
    if (!opened && opened.error().code() == ErrorCode::not_found) {
      return fail(kWrongUsage, "import: a raw file says nothing of itself: give --dim and --type");
    }
    QUIRE_TRY(const VectorStore store, from_store(std::move(opened)));
    if (!options.dimension) options.dimension = store.dimension();
    if (!options.element_type) options.element_type = store.element_type();
  }
  QUIRE_TRY(VectorFileReader reader, input.reader(options));
  if (reader.rows() > 0 &&
      arguments.first_id > std::numeric_limits<std::uint64_t>::max() - (reader.rows() - 1)) {
    return fail(kFailed,
                fmt::format("import {}: {} from id {} on go past the largest id, 2^64 - 1",
                            input.name(), counted(reader.rows(), "row"), arguments.first_id));
  }
  if (arguments.batch_rows > kMaxBatchBytes / reader.row_bytes()) {
    return fail(kWrongUsage,
                fmt::format("import: --batch: {} are more than {} of memory",
                            counted(arguments.batch_rows, "row"), byte_size(kMaxBatchBytes)));
  }
  return reader;
}

// The store for the file's rows: the one that is there, or else a new one. It converts them only if the
// type of its elements was given.
Outcome<VectorStore> open_store(const Arguments& arguments, const Settings& settings,
                                const VectorFileReader& reader) {
  const ElementType type = arguments.type.value_or(reader.element_type());
  OpenStoreOptions made = opening_options(settings);
  made.convert = arguments.type.has_value();
  OpenStoreOptions expected = made;
  expected.dimension = reader.dimension();
  expected.element_type = type;
  expected.durability = arguments.durability;
  auto existing = VectorStore::open(arguments.directory, expected);
  if (existing || existing.error().code() != ErrorCode::not_found) {
    QUIRE_TRY(VectorStore store, from_store(std::move(existing)));
    tell_recovery(arguments.directory, store.recovery());
    return store;
  }
  return from_store(
      VectorStore::create(arguments.directory,
                          {.dimension = reader.dimension(),
                           .element_type = type,
                           .durability = arguments.durability.value_or(Durability::power_loss)},
                          made));
}

// How many rows of the file, from its first on, the store has as this import would store them. Each is
// compared: that the next of them differs says nothing of those behind it, which an earlier import may have put.
Outcome<std::uint64_t> rows_there_already(const Arguments& arguments, VectorFileReader& reader,
                                          const VectorStore& store) {
  const ReadView view = store.view();
  QUIRE_CHECK(reader.seek(0));
  Progress progress("comparing", "row", reader.rows());
  const ElementType type = store.element_type();
  const std::size_t stride = row_bytes(type, reader.dimension());
  std::vector<std::byte> converted;
  std::uint64_t there = 0;
  while (there < reader.rows()) {
    QUIRE_TRY(std::span<const std::byte> block, reader.next());
    if (type != reader.element_type()) {
      converted.resize(block.size() / reader.row_bytes() * stride);
      QUIRE_CHECK(
          from_store(convert({reader.element_type(), block}, reader.dimension(), type, converted)));
      block = converted;
    }
    for (std::size_t at = 0; at < block.size(); at += stride, ++there) {
      const auto row = view.find_bytes(arguments.first_id + there);
      if (!row || !std::ranges::equal(*row, block.subspan(at, stride))) return there;
    }
    progress.update(there);
  }
  return there;
}

unsigned threads_for(const Arguments& arguments, const VectorFileReader& reader,
                     std::uint64_t first_row, std::uint64_t batch_bytes) {
  const std::uint64_t all_bytes = (reader.rows() - first_row) * reader.row_bytes();
  if (batch_bytes < kLeastBytesForThreads || batch_bytes == all_bytes) return 1;
  if (arguments.threads != 0) return static_cast<unsigned>(arguments.threads);
  return std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreadsUnlessSaid);
}

// What stores the rows of the file from `first_row` on; `first` is the first batch of them.
Outcome<std::unique_ptr<BatchWriter>> start_writer(const Arguments& arguments,
                                                   const VectorInput& input,
                                                   const VectorFileReader& reader,
                                                   std::uint64_t first_row, RowBatches& batches,
                                                   std::span<const std::byte> first,
                                                   VectorStore& store) {
  const unsigned threads = threads_for(arguments, reader, first_row, first.size());
  if (threads == 1) {
    return std::make_unique<OneThreadWriter>(store, batches, reader.element_type(), first,
                                             arguments.first_id + first_row);
  }
  QUIRE_TRY(BulkLoader loader,
            from_store(store.bulk_load({.expected_rows = reader.rows() - first_row})));
  auto writer = std::make_unique<ManyThreadsWriter>(
      ManyThreadsWriter::Plan{.input = input,
                              .format = {.format = reader.format(),
                                         .dimension = reader.dimension(),
                                         .element_type = reader.element_type()},
                              .rows = reader.rows(),
                              .first_row = first_row,
                              .block_rows = VectorFileReader::kBlockBytes / reader.row_bytes(),
                              .batch_rows = first.size() / reader.row_bytes(),
                              .first_id = arguments.first_id,
                              .threads = threads},
      std::move(loader));
  QUIRE_CHECK(writer->start());
  return writer;
}

// One import: what goes where, and how far it is.
class Import {
 public:
  // The store has the first `resumed` rows, durably.
  Import(const Arguments& arguments, const Settings& settings, std::uint64_t rows,
         std::uint64_t resumed, VectorStore& store, bool each_write_is_durable)
      : arguments_(arguments),
        settings_(settings),
        rows_(rows),
        resumed_(resumed),
        store_(store),
        each_write_is_durable_(each_write_is_durable),
        stored_(resumed),
        durable_(resumed) {}

  // Stores all batches of `writer`.
  Outcome<> run(std::unique_ptr<BatchWriter> writer) {
    InterruptGuard interrupt;
    Progress progress("importing", "row", rows_);
    while (true) {
      const auto rows = writer->prepare();
      if (!rows) return stopped(rows.error());
      if (*rows == 0) break;
      if (auto done = store(*writer, *rows); !done) return stopped(std::move(done).error());
      progress.update(stored_);
      if (interrupt.requested() && stored_ < rows_) {
        return stopped(Failure(interrupt.exit_status(), "import: interrupted"));
      }
    }
    writer.reset();  // the store does not close beside its threads
    if (auto closed = from_store(store_.close()); !closed) {
      return stopped(std::move(closed).error());
    }
    return {};
  }

  void report(double seconds) const {
    if (settings_.json) {
      // The last batch's line said it, if there was one.
      if (resumed_ == rows_ && arguments_.resume) print_line("{{\"rows\": {}}}", rows_);
      return;
    }
    if (resumed_ > 0) {
      print_line("{} of {} were there already", counted(resumed_, "row"), grouped(rows_));
      if (resumed_ == rows_) return;
    }
    if (rows_ == 0) {
      print_line("{} has no rows; nothing was imported", shown(arguments_.file));
      return;
    }
    const auto latency = latency_.snapshot();
    const auto percentile = [&latency](double percent) {
      return duration(static_cast<double>(latency.percentile(percent)) * 1e-9);
    };
    print_line("imported {} (ids {} to {}) in {}: {} rows/s", counted(stored_ - resumed_, "row"),
               arguments_.first_id + resumed_, arguments_.first_id + (stored_ - 1),
               duration(seconds), rate(stored_ - resumed_, seconds));
    print_line("batch latency: p50 {}, p99 {} ({} of up to {})", percentile(50), percentile(99),
               latency.count() == 1 ? "1 batch" : grouped(latency.count()) + " batches",
               counted(largest_batch_, "row"));
  }

 private:
  Outcome<> store(BatchWriter& writer, std::uint64_t rows) {
    const auto begin = Clock::now();
    QUIRE_CHECK(writer.store());
    stored_ += rows;
    // Without a reader of acknowledgements, close() makes all of them durable at once.
    if (settings_.json && !each_write_is_durable_) QUIRE_CHECK(from_store(store_.sync()));
    latency_.record(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count()));

    if (each_write_is_durable_ || settings_.json) durable_ = stored_;
    largest_batch_ = std::max(largest_batch_, rows);
    if (settings_.json) {
      print_line("{{\"rows\": {}}}", durable_);
      (void)flush_output();  // an acknowledgement is worth nothing in a buffer
    }
    return {};
  }

  // The failure, and which rows are safe all the same.
  Outcome<> stopped(Failure failure) {
    if (durable_ < stored_ && store_.sync()) durable_ = stored_;
    failure.message += durable_ == 0
                           ? "; no row of this import is durable"
                           : fmt::format("; {} of {} (ids {} to {}) durable",
                                         counted(durable_, "row"), grouped(rows_),
                                         arguments_.first_id, arguments_.first_id + (durable_ - 1));
    return std::unexpected(std::move(failure));
  }

  const Arguments& arguments_;
  const Settings& settings_;
  std::uint64_t rows_;     // of the file
  std::uint64_t resumed_;  // of these, rows that were there before
  VectorStore& store_;
  bool each_write_is_durable_;
  std::uint64_t stored_;   // rows that the store has
  std::uint64_t durable_;  // of these, rows that survive losing power
  std::uint64_t largest_batch_ = 0;
  LatencyHistogram latency_;
};

Outcome<> import_file(const Arguments& arguments, const Settings& settings) {
  const auto begin = Clock::now();
  QUIRE_CHECK(refuse_snapshot(arguments.directory));
  QUIRE_TRY(const VectorInput input, VectorInput::open(arguments.file, settings));
  QUIRE_TRY(VectorFileReader reader, open_file(arguments, input, settings));
  RowBatches batches(reader, arguments.batch_rows);
  // Before the store: a file that is bad from the start leaves none behind.
  QUIRE_TRY(std::span<const std::byte> first, batches.next());
  QUIRE_TRY(VectorStore store, open_store(arguments, settings, reader));
  QUIRE_TRY(const StoreInfo info, from_store(store.info()));

  std::uint64_t resumed = 0;
  if (arguments.resume) {
    QUIRE_TRY(resumed, rows_there_already(arguments, reader, store));
    QUIRE_CHECK(from_store(store.sync()));
    QUIRE_CHECK(reader.seek(resumed));
    QUIRE_TRY(first, batches.next());
  }
  Import import(arguments, settings, reader.rows(), resumed, store,
                info.durability == Durability::power_loss);
  QUIRE_TRY(auto writer, start_writer(arguments, input, reader, resumed, batches, first, store));
  QUIRE_CHECK(import.run(std::move(writer)));
  import.report(std::chrono::duration<double>(Clock::now() - begin).count());
  return {};
}

Run declare(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  add_store(app, arguments->directory);
  add_file(app, "FILE", arguments->file, "The vector file, or its URL");
  add_format(app, arguments->format, "Format of FILE (default: by its name)");
  add_number(app, "--dim", arguments->dimension,
             "Elements of each vector; a raw file for a new store needs it", 1, kMaxDimension);
  add_element_type(
      app, arguments->type,
      "Type of the store's elements (default: the file's); the file's are converted to it");
  add_element_type(app, arguments->file_type,
                   "Type of the file's elements; for raw files (default: the store's)",
                   "--file-type");
  add_number(app, "--first-id", arguments->first_id, "Id of the first row (default 0)");
  add_number(app, "--batch", arguments->batch_rows, "Rows of each batch (default: about 4 MiB)", 1);
  add_number(
      app, "--threads", arguments->threads,
      "Threads that read and write batches of 1 MiB and more (default: one a core, at most 8)", 1,
      kMostThreads);
  add_durability(app, arguments->durability,
                 "Durability of a new store (default power_loss); an existing one must have it");
  add_flag(app, "--resume", arguments->resume,
           "Go on behind the rows that the store has as they are in FILE");
  return [arguments](const Settings& settings) { return import_file(*arguments, settings); };
}

}  // namespace

Command import_command() {
  return {
      "Fill", "import", "Put the rows of a vector file into a store",
      "Makes the store if there is none. Row i gets the id first-id + i and replaces what was\n"
      "under it. A batch is stored whole or not at all. With --json there is one line\n"
      "{\"rows\": N} after each batch, as soon as N rows of this import would survive a loss of\n"
      "power, and they are the first N of the file, however many threads write. Ctrl-C stops\n"
      "after the current batch. --resume goes on with an import that was killed or stopped: it\n"
      "compares the file with the store, and imports from the first row on that differs.\n\n"
      "With --type the file's elements are rounded to the nearest value of the type, i8 and u8 "
      "kept\n"
      "in their range, b1 1 where an element is more than 0. Without it a store of another type\n"
      "than the file's is refused.\n\n"
      "Examples:\n"
      "  quire import photos data/base_10k.bvecs\n"
      "  quire import embeddings float32.npy --type f16",
      declare};
}

}  // namespace quire::cli
