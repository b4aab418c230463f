// A downloader with several connections that goes on where it was when it is started again:
//
//     parallel_download SOURCE TARGET [CONNECTIONS] [--piece BYTES] [--limit BYTES_PER_SECOND]
//
// It may be killed at any moment: what it has told as written is not fetched a second time. SOURCE is a
// file here; any quire::ByteSource will do, and only main() knows which one it is.
//
// It prints lines of JSON: at the start how much is written already, then how much is written whenever
// that was made durable, and at the end how much it has fetched.
//
// Shows: ranges that threads write without a lock, one sync for many receipts, resuming from coverage, and
// refusing to mix two versions of a source.
#include <quire/byte_source.hpp>
#include <quire/local_source.hpp>
#include <quire/ranged_file.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <iostream>
#include <limits>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Pieces that are written meanwhile share a sync.
constexpr std::chrono::milliseconds kBetweenSyncs{100};

struct Request {
  std::string source;
  std::string target;
  std::uint64_t connections = 4;
  std::uint64_t piece = std::uint64_t{1} << 20;                     // bytes
  std::uint64_t limit = std::numeric_limits<std::uint64_t>::max();  // bytes per second
};

// What the connections and the thread that syncs share. Thread-safe.
class Download {
 public:
  Download(const quire::ByteSource& source, std::vector<quire::FileRange> pieces,
           const Request& request)
      : source_(source),
        limit_(static_cast<double>(request.limit)),
        pieces_(std::move(pieces)),
        connections_(request.connections) {
    std::ranges::reverse(pieces_);  // they are taken from the end, the first one first
  }

  // One connection: fetches piece after piece, until none is left or any connection has failed.
  void fetch_pieces() {
    std::vector<std::byte> buffer;
    while (auto piece = next_piece()) {
      if (!wait_for_turn(piece->size())) break;
      auto receipt = fetch(*piece, buffer);
      if (!receipt) {
        fail(std::move(receipt).error());
        break;
      }
      const std::lock_guard lock(mutex_);
      receipts_.push_back(*receipt);
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    --connections_;
    changed_.notify_all();
  }

  // Waits for pieces, and returns the receipts of those not returned before; none once all
  // connections have ended.
  std::vector<quire::WriteReceipt> next_receipts() {
    std::unique_lock lock(mutex_);
    const auto ended = [this] { return connections_ == 0; };
    changed_.wait_for(lock, kBetweenSyncs, ended);
    changed_.wait(lock, [&] { return ended() || !receipts_.empty(); });
    return std::exchange(receipts_, {});
  }

  // Ends all connections. The first error is the one that is told.
  void fail(quire::Error error) {
    {
      const std::lock_guard lock(mutex_);
      if (result_) result_ = std::unexpected(std::move(error));
    }
    stop_.request_stop();
  }

  quire::Result<void> result() {
    const std::lock_guard lock(mutex_);
    return result_;
  }

 private:
  std::optional<quire::FileRange> next_piece() {
    const std::lock_guard lock(mutex_);
    if (pieces_.empty()) return std::nullopt;
    std::optional<quire::FileRange> piece = std::move(pieces_.back());
    pieces_.pop_back();
    return piece;
  }

  // Waits until the limit allows so many bytes more; false if it is time to stop.
  bool wait_for_turn(std::uint64_t bytes) {
    const std::chrono::duration<double> takes(static_cast<double>(bytes) / limit_);
    std::unique_lock lock(mutex_);
    const Clock::time_point turn = std::max(next_turn_, Clock::now());
    next_turn_ = turn + std::chrono::duration_cast<Clock::duration>(takes);
    changed_.wait_until(lock, stop_.get_token(), turn, [] { return false; });
    return !stop_.stop_requested();
  }

  quire::Result<quire::WriteReceipt> fetch(quire::FileRange& piece,
                                           std::vector<std::byte>& buffer) {
    buffer.resize(static_cast<std::size_t>(piece.size()));
    auto read = source_.read_into(piece.range().offset, buffer, {.stop = stop_.get_token()});
    if (!read) return std::unexpected(std::move(read).error());
    return piece.write(buffer);  // no lock: nobody else has these bytes
  }

  const quire::ByteSource& source_;
  const double limit_;
  std::stop_source stop_;

  std::mutex mutex_;  // for all below
  std::condition_variable_any changed_;
  std::vector<quire::FileRange> pieces_;
  std::uint64_t connections_;  // that have not ended
  std::vector<quire::WriteReceipt> receipts_;
  quire::Result<void> result_;
  Clock::time_point next_turn_;
};

// Takes all that is missing, in pieces.
quire::Result<std::vector<quire::FileRange>> take_pieces(quire::RangedFile& target,
                                                         const quire::Coverage& coverage,
                                                         std::uint64_t piece_size) {
  std::vector<quire::FileRange> pieces;
  for (const quire::ByteRange missing : coverage.missing) {
    for (std::uint64_t at = missing.offset; at < missing.end(); at += piece_size) {
      auto piece = target.allocate_at({at, std::min(piece_size, missing.end() - at)});
      if (!piece) return std::unexpected(std::move(piece).error());
      pieces.push_back(*std::move(piece));
    }
  }
  return pieces;
}

// Runs the connections, and syncs what they write. Returns how much was fetched.
quire::Result<std::uint64_t> fetch_missing(const quire::ByteSource& source,
                                           quire::RangedFile& target, const Request& request) {
  const auto coverage = target.coverage();
  if (!coverage) return std::unexpected(coverage.error());
  std::uint64_t written = coverage->written_bytes;
  auto pieces = take_pieces(target, *coverage, request.piece);
  if (!pieces) return std::unexpected(std::move(pieces).error());
  std::cout << "{\"size\": " << target.size() << ", \"written\": " << written << "}\n"
            << std::flush;

  Download download(source, *std::move(pieces), request);
  std::vector<std::jthread> connections;
  connections.reserve(static_cast<std::size_t>(request.connections));
  for (std::uint64_t i = 0; i < request.connections; ++i) {
    connections.emplace_back([&] { download.fetch_pieces(); });
  }
  // After a failure too, until the connections have ended: what they wrote is kept.
  for (auto receipts = download.next_receipts(); !receipts.empty();
       receipts = download.next_receipts()) {
    if (auto synced = target.sync(receipts); !synced) {
      download.fail(std::move(synced).error());
      continue;
    }
    for (const quire::WriteReceipt& receipt : receipts) written += receipt.range().length;
    std::cout << "{\"written\": " << written << "}\n" << std::flush;
  }
  connections.clear();  // waits for them
  auto result = download.result();
  if (!result) return std::unexpected(std::move(result).error());
  return written - coverage->written_bytes;
}

// A file of the right size without a journal is one that was finished.
bool is_finished(const std::string& path, std::uint64_t size) {
  const auto file = quire::RangedFile::open(path, quire::Access::read_only);
  return file && file->size() == size;
}

int succeed(std::uint64_t size, std::uint64_t fetched) {
  std::cout << "{\"complete\": " << size << ", \"fetched\": " << fetched << "}\n" << std::flush;
  return 0;
}

int fail(const quire::Error& error) {
  std::cerr << "parallel_download: " << error.message() << '\n';
  return 1;
}

int download(const quire::ByteSource& source, const Request& request) {
  // What is written already must be of the version that the source has now.
  auto target = quire::RangedFile::open_or_create(
      request.target, source.size(),
      {.resume = true, .content_version = source.identity().version});
  if (!target) {
    const bool has_no_journal = target.error().code() == quire::ErrorCode::wrong_mode;
    if (!has_no_journal || !is_finished(request.target, source.size())) {
      return fail(target.error());
    }
    std::cerr << "parallel_download: " << request.target << " is complete already\n";
    return succeed(source.size(), 0);
  }
  const auto fetched = fetch_missing(source, *target, request);
  if (!fetched) return fail(fetched.error());
  if (auto finished = target->finish(); !finished) return fail(finished.error());
  return succeed(source.size(), *fetched);
}

// False if it is no number, or not in [1, most].
bool parse(std::string_view text, std::uint64_t most, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number >= 1 && number <= most;
}

std::optional<Request> parse(std::span<char*> words) {
  constexpr std::uint64_t kMostConnections = 256;
  constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 40;
  if (words.size() < 2) return std::nullopt;
  Request request{.source = words[0], .target = words[1]};
  for (std::size_t i = 2; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--piece" || word == "--limit") {
      if (++i == words.size()) return std::nullopt;
      std::uint64_t& number = word == "--piece" ? request.piece : request.limit;
      if (!parse(words[i], kMostBytes, number)) return std::nullopt;
    } else if (!parse(word, kMostConnections, request.connections)) {
      return std::nullopt;
    }
  }
  return request;
}

}  // namespace

int main(int argc, char** argv) {
  const auto request = parse(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  if (!request) {
    std::cerr << "usage: parallel_download SOURCE TARGET [CONNECTIONS] [--piece BYTES] "
                 "[--limit BYTES_PER_SECOND]\n";
    return 2;
  }
  const auto source = quire::open_file_source(request->source);
  if (!source) return fail(source.error());
  return download(**source, *request);
}
