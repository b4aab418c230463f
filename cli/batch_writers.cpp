#include "cli/batch_writers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <numeric>
#include <system_error>
#include <utility>

#include "base/try.hpp"
#include "cli/wording.hpp"

namespace quire::cli {

Outcome<std::uint64_t> OneThreadWriter::prepare() {
  if (!is_ready_) {
    QUIRE_TRY(batch_, batches_.next());
    is_ready_ = true;
  }
  return batch_.size() / row_bytes(type_, store_.dimension());
}

Outcome<> OneThreadWriter::store() {
  QUIRE_TRY(const std::uint64_t rows, prepare());
  ids_.resize(static_cast<std::size_t>(rows));
  std::iota(ids_.begin(), ids_.end(), next_id_);
  is_ready_ = false;
  QUIRE_CHECK(from_store(store_.put_batch(ids_, VectorRef(type_, batch_))));
  next_id_ += rows;
  return {};
}

ManyThreadsWriter::ManyThreadsWriter(Plan plan, BulkLoader loader)
    : plan_(std::move(plan)),
      run_(std::max<std::uint64_t>(plan_.block_rows / plan_.batch_rows, 1)),
      loader_(std::move(loader)) {}

ManyThreadsWriter::~ManyThreadsWriter() {
  const base::MutexLock lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

Outcome<> ManyThreadsWriter::start() {
  threads_.reserve(plan_.threads);
  try {
    for (unsigned i = 0; i < plan_.threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    if (threads_.empty()) {
      return fail(kFailed, fmt::format("import: no thread can be started: {}", error.what()));
    }
  }
  return {};
}

Outcome<std::uint64_t> ManyThreadsWriter::prepare() {
  const base::MutexLock lock(mutex_);
  if (next_to_store_ == batches()) return 0;
  auto found = written_.find(next_to_store_);
  for (; found == written_.end(); found = written_.find(next_to_store_)) {
    if (out_of_memory_) return fail(kFailed, "import: out of memory");
    changed_.wait(mutex_);
  }
  Written written = std::move(found->second);
  written_.erase(found);
  ++next_to_store_;
  changed_.notify_all();
  if (!written) return std::unexpected(std::move(written).error());
  ready_.emplace(*std::move(written));
  return ready_->size();
}

Outcome<> ManyThreadsWriter::store() { return from_store(loader_.commit(std::move(*ready_))); }

void ManyThreadsWriter::work() noexcept {
  try {
    write_runs();
  } catch (const std::bad_alloc&) {
    const base::MutexLock lock(mutex_);
    out_of_memory_ = true;
    changed_.notify_all();
  }
}

void ManyThreadsWriter::write_runs() {
  auto reader = open_reader();
  while (const auto first = take()) write_run(reader, *first);
}

std::optional<std::uint64_t> ManyThreadsWriter::take() {
  const base::MutexLock lock(mutex_);
  const std::uint64_t ahead = 2 * run_ * plan_.threads;
  while (!stopped_ && next_to_take_ < batches() && next_to_take_ >= next_to_store_ + ahead) {
    changed_.wait(mutex_);
  }
  if (stopped_ || next_to_take_ >= batches()) return std::nullopt;
  const std::uint64_t first = next_to_take_;
  next_to_take_ += run_;
  return first;
}

void ManyThreadsWriter::write_run(Outcome<VectorFileReader>& reader, std::uint64_t first) {
  const std::uint64_t end = std::min(first + run_, batches());
  bool goes_on = true;
  for (std::uint64_t batch = first; goes_on && batch < end; ++batch) {
    Written written = reader ? write(*reader, batch) : std::unexpected(reader.error());
    goes_on = written.has_value();
    deliver(batch, std::move(written));
  }
}

bool ManyThreadsWriter::is_stopped() {
  const base::MutexLock lock(mutex_);
  return stopped_;
}

void ManyThreadsWriter::deliver(std::uint64_t batch, Written written) {
  const base::MutexLock lock(mutex_);
  written_.emplace(batch, std::move(written));
  changed_.notify_all();
}

Outcome<VectorFileReader> ManyThreadsWriter::open_reader() const {
  QUIRE_TRY(VectorFileReader reader, plan_.input.reader(plan_.format));
  if (reader.rows() != plan_.rows) {
    return fail(kFailed, fmt::format("import {}: changed: the file had {}, now it has {}",
                                     plan_.input.name(), counted(plan_.rows, "row"),
                                     grouped(reader.rows())));
  }
  return reader;
}

ManyThreadsWriter::Written ManyThreadsWriter::write(VectorFileReader& reader, std::uint64_t batch) {
  const std::uint64_t first = plan_.first_row + batch * plan_.batch_rows;
  const std::uint64_t end = first + std::min(plan_.batch_rows, plan_.rows - first);
  QUIRE_TRY(BulkRows rows, from_store(loader_.claim(end - first)));
  if (reader.position() != first) {
    QUIRE_CHECK(reader.seek(first));
  }
  std::vector<std::uint64_t> ids;
  while (reader.position() < end) {
    if (is_stopped()) return fail(kFailed, "import: stopped");  // and nobody asks for it
    const std::uint64_t id = plan_.first_id + reader.position();
    QUIRE_TRY(const auto block, reader.next(static_cast<std::size_t>(end - reader.position())));
    ids.resize(block.size() / reader.row_bytes());
    std::iota(ids.begin(), ids.end(), id);
    QUIRE_CHECK(from_store(rows.append(ids, VectorRef(reader.element_type(), block))));
  }
  return rows;
}

}  // namespace quire::cli
