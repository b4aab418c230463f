// Verifying a snapshot: reads the whole file anew, part by part, and compares every checksum.
#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checksum.hpp"
#include "base/try.hpp"
#include "snapshot/snapshot_core.hpp"

namespace quire {

namespace snapshot {
namespace {

// A report longer than this helps nobody, and would take memory without bounds.
constexpr std::size_t kMostDamages = 10'000;

class Verifier {
 public:
  Verifier(const SnapshotCore& core, const ProgressCallback& progress, const ReadOptions& options)
      : core_(core), progress_(progress), options_(options) {}

  Result<SnapshotVerifyReport> run() {
    QUIRE_CHECK(check_header());
    const std::uint64_t pages = core_.description().pages();
    for (std::uint64_t page = 0; page < pages && !full(); ++page) QUIRE_CHECK(check_page(page));
    QUIRE_CHECK(check_end());
    tell(core_.source().size());
    return std::move(report_);
  }

 private:
  bool full() const { return report_.damaged.size() >= kMostDamages; }

  void tell(std::uint64_t done) const {
    if (progress_) progress_(done, core_.source().size());
  }

  void add(ByteRange range, std::string what) {
    report_.damaged.push_back({.range = range, .what = std::move(what)});
  }

  // True if the device cannot give the bytes: that is damage, and found.
  static bool is_unreadable(const Error& error) { return error.code() == ErrorCode::io; }

  Result<void> note_unreadable(const Error& error, ByteRange range, std::string part) {
    if (!is_unreadable(error)) return std::unexpected(error);
    part += ' ';
    part += kUnreadable;
    add(range, std::move(part));
    return {};
  }

  // The bytes of a range, read anew into a buffer that the next call takes over.
  Result<std::span<const std::byte>> read(ByteRange range) {
    buffer_.resize(static_cast<std::size_t>(range.length));
    QUIRE_CHECK(core_.source().read_into(range.offset, buffer_, options_));
    return std::span<const std::byte>(buffer_);
  }

  // Of the bytes of a range: where they lie, if they are memory.
  Result<std::uint64_t> checksum_of(ByteRange range, std::uint64_t seed) {
    if (!core_.source().has_view()) {
      QUIRE_TRY(const auto bytes, read(range));
      return base::checksum(bytes, seed);
    }
    QUIRE_CHECK(core_.source().check_time("verify", range, options_));
    QUIRE_TRY(const auto bytes, core_.source().view(range.offset, range.length));
    std::uint64_t sum = 0;
    QUIRE_CHECK(
        core_.guarded("verify", bytes, [&]() noexcept { sum = base::checksum(bytes, seed); }));
    return sum;
  }

  Result<void> check_header() {
    const ByteRange range{0, kHeaderBytes};
    const auto bytes = read(range);
    if (!bytes) return note_unreadable(bytes.error(), range, "the header");
    const auto header = decode_header(*bytes, core_.source().name());
    if (!header) {
      add(range, header.error().detail());
    } else if (*header != core_.description()) {
      add(range, "the header is not that of this snapshot");
    }
    return {};
  }

  Result<void> check_page(std::uint64_t number) {
    const RootEntry& root = core_.root()[static_cast<std::size_t>(number)];
    const Description& description = core_.description();
    const auto in_buffer = read(root.page);
    if (!in_buffer) {
      if (!is_unreadable(in_buffer.error())) return std::unexpected(in_buffer.error());
      report_.damaged.push_back(core_.damage_of_page(number, kUnreadable));
      return {};
    }
    // A copy: the buffer is needed for the blocks.
    const std::vector<std::byte> bytes(in_buffer->begin(), in_buffer->end());
    const bool is_right = base::checksum(bytes, description.salt() + number) == root.checksum;
    const char* fault = is_right ? IdPage::fault(bytes, description, number, root) : nullptr;
    if (!is_right || fault != nullptr) {
      report_.damaged.push_back(core_.damage_of_page(number, is_right ? fault : kWrongChecksum));
      return {};
    }
    const IdPage page(bytes, description, number);
    for (std::uint32_t i = 0; i < page.blocks() && !full(); ++i) {
      QUIRE_CHECK(check_block(number * kBlocksPerPage + i, page.block(i)));
    }
    return {};
  }

  Result<void> check_block(std::uint64_t number, const BlockEntry& entry) {
    const auto sum = checksum_of(entry.stored, core_.description().salt() + number);
    if (!sum && !is_unreadable(sum.error())) return std::unexpected(sum.error());
    ++report_.blocks;
    if (sum && *sum == entry.checksum) {
      report_.rows += entry.rows;
    } else {
      report_.damaged.push_back(
          core_.damage_of_block(number, entry, sum ? kWrongChecksum : kUnreadable));
    }
    tell(entry.stored.end());
    return {};
  }

  // Root and tail were right when the snapshot was opened; are they still?
  Result<void> check_end() {
    const Tail& tail = core_.tail();
    const auto root = read(tail.root_range());
    if (!root) {
      QUIRE_CHECK(note_unreadable(root.error(), tail.root_range(), "the root"));
    } else if (base::checksum(*root, core_.description().salt()) != tail.root_checksum) {
      add(tail.root_range(), "the root's checksum is wrong");
    }
    const ByteRange range{tail.file_size() - kTailBytes, kTailBytes};
    const auto bytes = read(range);
    const auto expected = tail.encode();
    if (!bytes) {
      QUIRE_CHECK(note_unreadable(bytes.error(), range, "the tail"));
    } else if (std::memcmp(bytes->data(), expected.data(), expected.size()) != 0) {
      add(range, "the tail is not what it was when the snapshot was opened");
    }
    return {};
  }

  const SnapshotCore& core_;
  const ProgressCallback& progress_;
  const ReadOptions& options_;
  SnapshotVerifyReport report_;
  std::vector<std::byte> buffer_;
};

}  // namespace
}  // namespace snapshot

inline namespace v0 {

Result<SnapshotVerifyReport> Snapshot::verify(const ProgressCallback& progress,
                                              const ReadOptions& options) const {
  return snapshot::Verifier(*core_, progress, options).run();
}

}  // namespace v0
}  // namespace quire
