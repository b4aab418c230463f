// ScriptedSource: a slow source for tests, which counts what it is asked, waits and fails as told.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "quire/byte_source.hpp"

namespace quire::source {

// Thread-safe. Its bytes follow from their offset and `seed`, so two sources differ.
class ScriptedSource final : public ByteSource {
 public:
  explicit ScriptedSource(std::uint64_t size, unsigned seed = 0)
      : ByteSource("scripted", size, {IdentityStrength::strong, std::to_string(seed)}),
        seed_(seed) {}

  std::byte at(std::uint64_t offset) const {
    return static_cast<std::byte>((offset * 31 + offset / 251 + seed_ * 77) & 0xFFU);
  }
  bool matches(std::uint64_t offset, std::span<const std::byte> bytes) const {
    for (const std::byte byte : bytes) {
      if (byte != at(offset++)) return false;
    }
    return true;
  }

  // The next reads wait until go() or their own end.
  void hold() const { set_held(true); }
  void go() const { set_held(false); }
  void wait_until_asked(std::size_t reads) const {
    const base::MutexLock lock(mutex_);
    while (asked_.size() < reads) changed_.wait(mutex_);
  }
  // The next read fails.
  void fail_next(ErrorCode code) const {
    const base::MutexLock lock(mutex_);
    failures_.push_back(code);
  }
  // Each read that touches `offset` fails.
  void spoil(std::optional<std::uint64_t> offset) const {
    const base::MutexLock lock(mutex_);
    spoiled_ = offset;
  }

  // All reads, in the order they came; the ranges of a read_many one by one.
  std::vector<ByteRange> asked() const {
    const base::MutexLock lock(mutex_);
    return asked_;
  }
  std::size_t reads() const { return asked().size(); }
  // The buffers it handed out that somebody still has.
  std::size_t lent() const {
    const base::MutexLock lock(mutex_);
    return lent_.size() - static_cast<std::size_t>(std::ranges::count_if(
                              lent_, [](const auto& buffer) { return buffer.expired(); }));
  }
  int batches() const { return batches_; }
  int hints() const { return hints_; }

 private:
  void set_held(bool held) const {
    {
      const base::MutexLock lock(mutex_);
      held_ = held;
    }
    changed_.notify_all();
  }

  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& options) const override {
    const ByteRange range{offset, out.size()};
    const base::MutexLock lock(mutex_);
    asked_.push_back(range);
    changed_.notify_all();
    const auto free = [this]() QUIRE_REQUIRES(mutex_) { return !held_; };
    if (options.deadline) {
      changed_.wait_until(mutex_, options.stop, *options.deadline, free);
    } else {
      changed_.wait(mutex_, options.stop, free);
    }
    if (held_) {
      if (auto late = check_time("read", range, options); !late) return late;
    }
    if (!failures_.empty()) {
      const ErrorCode code = failures_.front();
      failures_.pop_front();
      return fail(code, range);
    }
    if (spoiled_ && range.overlaps({*spoiled_, 1})) return fail(ErrorCode::io, range);
    for (std::byte& byte : out) byte = at(offset++);
    return {};
  }
  Result<Bytes> do_read(ByteRange range, const ReadOptions& options) const override {
    std::vector<std::byte> buffer(range.length);
    if (auto read = do_read_into(range.offset, buffer, options); !read) {
      return std::unexpected(read.error());
    }
    Bytes bytes = Bytes::own(std::move(buffer));
    const auto owner = std::make_shared<const Bytes>(bytes);
    const base::MutexLock lock(mutex_);
    lent_.push_back(owner);
    return Bytes::borrow(bytes.span(), owner);
  }
  Result<std::vector<Bytes>> do_read_many(std::span<const ByteRange> ranges,
                                          const ReadOptions& options) const override {
    ++batches_;
    return ByteSource::do_read_many(ranges, options);
  }
  void do_hint(ByteRange /*range*/, AccessHint /*access*/) const override { ++hints_; }

  std::unexpected<Error> fail(ErrorCode code, ByteRange range) const {
    return std::unexpected(Error(code, "read").with_path(name()).with_range(range));
  }

  const unsigned seed_;
  mutable std::atomic<int> batches_ = 0;
  mutable std::atomic<int> hints_ = 0;
  mutable base::Mutex mutex_;
  mutable std::condition_variable_any changed_;
  mutable bool held_ QUIRE_GUARDED_BY(mutex_) = false;
  mutable std::deque<ErrorCode> failures_ QUIRE_GUARDED_BY(mutex_);
  mutable std::optional<std::uint64_t> spoiled_ QUIRE_GUARDED_BY(mutex_);
  mutable std::vector<std::weak_ptr<const void>> lent_ QUIRE_GUARDED_BY(mutex_);
  mutable std::vector<ByteRange> asked_ QUIRE_GUARDED_BY(mutex_);
};

}  // namespace quire::source
