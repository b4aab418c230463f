// A sink and a source in memory, for the tests and the fuzzer of snapshots.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "quire/byte_sink.hpp"
#include "quire/byte_source.hpp"

namespace quire::snapshot {

using Content = std::vector<std::byte>;

// Keeps what is appended.
class MemorySink final : public ByteSink {
 public:
  MemorySink() : ByteSink("memory") {}
  const Content& content() const { return content_; }
  bool is_committed() const { return is_committed_; }
  // Fails with no_space once it would hold more.
  void set_limit(std::size_t bytes) { limit_ = bytes; }

 private:
  Result<void> do_append(std::span<const std::byte> bytes) override {
    if (content_.size() + bytes.size() > limit_) {
      return std::unexpected(Error(ErrorCode::no_space, "write"));
    }
    content_.insert(content_.end(), bytes.begin(), bytes.end());
    return {};
  }
  Result<void> do_commit() override {
    is_committed_ = true;
    return {};
  }

  Content content_;
  std::size_t limit_ = SIZE_MAX;
  bool is_committed_ = false;
};

// Memory that must be fetched, as a remote object: it has no view, and counts its reads.
class FetchedSource final : public ByteSource {
 public:
  explicit FetchedSource(Content content)
      : ByteSource("fetched", content.size(), {IdentityStrength::strong, "1"}),
        content_(std::move(content)) {}
  // The ranges of a read_many one by one.
  int reads() const { return reads_; }
  // Calls of read_many.
  int batches() const { return batches_; }
  // The buffers of a read_many that somebody still has.
  int lent() const { return *lent_; }
  // Every read_many asked for its ranges in this order.
  bool are_ascending() const { return are_ascending_; }

 private:
  Result<Bytes> do_read(ByteRange range, const ReadOptions& /*options*/) const override {
    ++reads_;
    return Bytes::copy(std::span(content_).subspan(range.offset, range.length));
  }
  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& /*options*/) const override {
    ++reads_;
    std::ranges::copy(std::span(content_).subspan(offset, out.size()), out.begin());
    return {};
  }

  // Into one buffer, at odd addresses, as what lies near is read together.
  Result<std::vector<Bytes>> do_read_many(std::span<const ByteRange> ranges,
                                          const ReadOptions& /*options*/) const override {
    ++batches_;
    are_ascending_ = are_ascending_ && std::ranges::is_sorted(ranges, {}, &ByteRange::offset);
    Content together(1);
    for (const ByteRange& range : ranges) {
      ++reads_;
      const auto bytes = std::span(content_).subspan(range.offset, range.length);
      together.insert(together.end(), bytes.begin(), bytes.end());
    }
    ++*lent_;
    const std::shared_ptr<const Content> buffer(new Content(std::move(together)),
                                                [lent = lent_](const Content* content) {
                                                  delete content;
                                                  --*lent;
                                                });
    std::vector<Bytes> all;
    std::size_t at = 1;
    for (const ByteRange& range : ranges) {
      all.push_back(Bytes::borrow(std::span(*buffer).subspan(at, range.length), buffer));
      at += range.length;
    }
    return all;
  }

  const Content content_;
  mutable std::atomic<int> reads_ = 0;
  mutable std::atomic<int> batches_ = 0;
  mutable std::atomic<bool> are_ascending_ = true;
  const std::shared_ptr<std::atomic<int>> lent_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace quire::snapshot
