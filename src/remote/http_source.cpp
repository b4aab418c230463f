#include "quire/http_source.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/try.hpp"
#include "remote/http_connection.hpp"
#include "remote/opening_fetch.hpp"
#include "remote/range_fetch.hpp"
#include "source/buffer.hpp"
#include "source/coalesce.hpp"

namespace quire {

namespace remote {
namespace {

using source::Buffer;
using source::MergedRead;

// Of a long read that is cut into several requests.
constexpr std::uint64_t kLeastRequestBytes = 512;

std::string base64(std::string_view text) {
  std::string encoded((text.size() + 2) / 3 * 4 + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(length));
  return encoded;
}

bool has_header(const net::HttpHeaders& headers, std::string_view name) {
  return net::HttpHead{.status = 0, .headers = headers}.find(name).has_value();
}

net::HttpHeaders headers_of(const net::Url& url, const HttpSourceOptions& options) {
  net::HttpHeaders headers = options.headers;
  if ((!url.user().empty() || !url.password().empty()) && !has_header(headers, "Authorization")) {
    headers.emplace_back("Authorization", "Basic " + base64(url.user() + ":" + url.password()));
  }
  return headers;
}

// Longer is for ever.
std::chrono::milliseconds at_most_a_year(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds kYear = std::chrono::hours(365 * 24);
  return std::clamp(time, std::chrono::milliseconds(1), kYear);
}

net::HttpClientOptions client_options(const HttpSourceOptions& options) {
  return {.allow_private_network = options.allow_private_network,
          .http2 = options.http2,
          .proxy = options.proxy.empty() && options.proxy_from_environment
                       ? net::ProxyChoice::of_environment()
                       : net::ProxyChoice::always(options.proxy),
          .ca_file = options.ca_file,
          .client_certificate = options.client_certificate,
          .client_key = options.client_key,
          .connect_timeout = at_most_a_year(options.connect_timeout),
          .stall_timeout = at_most_a_year(options.stall_timeout)};
}

class HttpSource final : public ByteSource {
 public:
  HttpSource(HttpConnection connection, std::shared_ptr<HttpPlace> place, ObjectVersion version,
             std::uint64_t kept_offset, Bytes kept, const HttpSourceOptions& options)
      : ByteSource(place->shown(place->given()), version.size, version.identity()),
        connection_(std::move(connection)),
        place_(std::move(place)),
        version_(std::move(version)),
        kept_range_{kept_offset, kept.size()},
        kept_(std::move(kept)),
        max_gap_(options.max_gap),
        max_request_bytes_(std::max(options.max_request_bytes, kLeastRequestBytes)),
        max_in_flight_(options.max_in_flight) {}

 private:
  struct Piece {
    std::uint64_t offset;
    std::span<std::byte> out;
  };

  bool is_kept(ByteRange range) const noexcept {
    return range.offset >= kept_range_.offset && range.end() <= kept_range_.end();
  }

  Result<Bytes> do_read(ByteRange range, const ReadOptions& options) const override {
    if (is_kept(range)) {
      return kept_.slice(range.offset - kept_range_.offset, range.length);
    }
    Buffer buffer(static_cast<std::size_t>(range.length));
    const Piece piece{range.offset, buffer.span()};
    QUIRE_CHECK(fetch({&piece, 1}, options));
    return std::move(buffer).take();
  }

  Result<void> do_read_into(std::uint64_t offset, std::span<std::byte> out,
                            const ReadOptions& options) const override {
    if (is_kept({offset, out.size()})) {
      const auto from = kept_.span().subspan(static_cast<std::size_t>(offset - kept_range_.offset));
      std::ranges::copy(from.first(out.size()), out.begin());
      return {};
    }
    const Piece piece{offset, out};
    return fetch({&piece, 1}, options);
  }

  Result<std::vector<Bytes>> do_read_many(std::span<const ByteRange> ranges,
                                          const ReadOptions& options) const override {
    std::vector<Bytes> results(ranges.size());
    std::vector<ByteRange> wanted;
    std::vector<std::size_t> place_of;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      if (is_kept(ranges[i])) {
        QUIRE_TRY(results[i], do_read(ranges[i], options));
      } else {
        wanted.push_back(ranges[i]);
        place_of.push_back(i);
      }
    }
    const std::vector<MergedRead> reads =
        source::coalesce(wanted, {.max_gap = max_gap_, .max_length = max_request_bytes_});
    std::vector<Buffer> buffers;
    std::vector<Piece> pieces;
    buffers.reserve(reads.size());
    pieces.reserve(reads.size());
    for (const MergedRead& read : reads) {
      buffers.emplace_back(static_cast<std::size_t>(read.range.length));
      pieces.push_back({read.range.offset, buffers.back().span()});
    }
    QUIRE_CHECK(fetch(pieces, options));
    for (std::size_t i = 0; i < reads.size(); ++i) {
      const Bytes all = std::move(buffers[i]).take();
      for (const std::size_t member : reads[i].members) {
        const ByteRange& range = wanted[member];
        QUIRE_TRY(results[place_of[member]],
                  all.slice(range.offset - reads[i].range.offset, range.length));
      }
    }
    return results;
  }

  // Long pieces in several requests.
  Result<void> fetch(std::span<const Piece> pieces, const ReadOptions& options) const {
    std::vector<std::unique_ptr<RangeFetch>> fetches;
    std::vector<HttpFetch*> all;
    for (const Piece& piece : pieces) {
      for (std::size_t at = 0; at < piece.out.size();) {
        const std::size_t length = static_cast<std::size_t>(
            std::min<std::uint64_t>(max_request_bytes_, piece.out.size() - at));
        fetches.push_back(std::make_unique<RangeFetch>(
            place_, connection_.retry, version_, piece.offset + at, piece.out.subspan(at, length)));
        all.push_back(fetches.back().get());
        at += length;
      }
    }
    return run_fetches(*connection_.client, all, max_in_flight_, options);
  }

  const HttpConnection connection_;
  const std::shared_ptr<HttpPlace> place_;
  const ObjectVersion version_;
  const ByteRange kept_range_;
  const Bytes kept_;
  const std::uint64_t max_gap_;
  const std::uint64_t max_request_bytes_;
  const std::size_t max_in_flight_;
};

// One request that tells what the object is; two or three where a server says less than most.
class Opening {
 public:
  Opening(const HttpConnection& connection, std::shared_ptr<HttpPlace> place,
          const HttpSourceOptions& options)
      : connection_(connection), place_(std::move(place)), options_(options) {}

  Result<std::shared_ptr<const ByteSource>> run() {
    const std::uint64_t bytes = std::max<std::uint64_t>(options_.open_bytes, 1);
    const auto ask = options_.open_at_end ? OpeningFetch::Ask::back : OpeningFetch::Ask::front;
    QUIRE_TRY(OpeningFetch::Answer first, fetch(ask, bytes));
    // An empty object has no byte to send; nor has one that a server thinks to have none.
    if (first.is_without_such_bytes) {
      QUIRE_TRY(first, fetch(OpeningFetch::Ask::whole, 0));
      if (first.is_without_such_bytes) return refuse("the server has no bytes of it");
    }
    ObjectVersion version = first.version;
    if (first.is_of_unknown_size) {
      QUIRE_TRY(const OpeningFetch::Answer head, fetch(OpeningFetch::Ask::head, 0));
      if (head.version.etag != version.etag ||
          head.version.last_modified != version.last_modified || head.version.size < version.size) {
        return std::unexpected(Error(ErrorCode::changed, "open").with_path(name()));
      }
      version.size = head.version.size;
    } else if (first.is_whole) {
      version.size = first.kept.size();
    }
    const bool is_pinned = version.identity().strength != IdentityStrength::size_only;
    if (!is_pinned && !options_.allow_unpinned && !first.is_whole) {
      return refuse(
          "the server tells no version of it (neither ETag nor Last-Modified); allow_unpinned "
          "reads it all the same");
    }
    return std::make_shared<HttpSource>(connection_, place_, std::move(version), first.kept_offset,
                                        Bytes::own(std::move(first.kept)), options_);
  }

 private:
  Result<OpeningFetch::Answer> fetch(OpeningFetch::Ask ask, std::uint64_t bytes) {
    OpeningFetch fetch(place_, connection_.retry, ask, bytes, options_.max_whole_bytes);
    HttpFetch* const one = &fetch;
    QUIRE_CHECK(run_fetches(*connection_.client, {&one, 1}, 1, options_.opening));
    return std::move(fetch.answer());
  }
  std::string name() const { return place_->shown(place_->given()); }
  std::unexpected<Error> refuse(std::string why) const {
    return std::unexpected(
        Error(ErrorCode::unsupported, "open").with_path(name()).with_detail(std::move(why)));
  }

  const HttpConnection& connection_;
  const std::shared_ptr<HttpPlace> place_;
  const HttpSourceOptions& options_;
};

}  // namespace

bool is_header(const std::pair<std::string, std::string>& header) {
  const auto& [name, value] = header;
  const bool is_name = !name.empty() && std::ranges::all_of(name, [](char c) {
    return c > ' ' && c < 0x7F && c != ':' && c != ';';
  });
  return is_name &&
         std::ranges::none_of(value, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

Result<HttpConnection> HttpConnection::with(const HttpSourceOptions& options) {
  if (!std::ranges::all_of(options.headers, is_header)) {
    return std::unexpected(Error(ErrorCode::invalid_argument, "open")
                               .with_detail("a header has a line's end, or no name"));
  }
  QUIRE_TRY(auto client, net::HttpClient::with(client_options(options)));
  return HttpConnection{.client = std::move(client),
                        .retry = {.max_tries = options.max_tries,
                                  .max_time = at_most_a_year(options.max_retry_time)}};
}

Result<std::shared_ptr<const ByteSource>> open_place(const HttpConnection& connection,
                                                     std::shared_ptr<HttpPlace> place,
                                                     const HttpSourceOptions& options) {
  return Opening(connection, std::move(place), options).run();
}

}  // namespace remote

inline namespace v0 {

Result<std::shared_ptr<const ByteSource>> open_http_source(std::string_view text,
                                                           const HttpSourceOptions& options) {
  QUIRE_TRY(const net::Url url, net::Url::parse(text));
  auto connection = remote::HttpConnection::with(options);
  if (!connection) {
    Error why = std::move(connection.error());
    return std::unexpected(why.path().empty() ? std::move(why).with_path(url.shown()) : why);
  }
  return remote::open_place(
      *connection, std::make_shared<remote::HttpPlace>(url, remote::headers_of(url, options)),
      options);
}

}  // namespace v0
}  // namespace quire
