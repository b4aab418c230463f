// The contracts of byte sources and sinks, over a real S3 server.
#include <memory>
#include <string>
#include <string_view>

#include "quire/s3.hpp"
#include "remote/s3_server_fixture.hpp"
#include "source/sink_contract.hpp"
#include "source/source_concurrency_contract.hpp"
#include "source/source_contract.hpp"

namespace quire::source {
namespace {

S3Bucket make_bucket(std::uint64_t open_bytes = 1) {
  auto& server = remote::S3Server::shared();
  const std::string name = server.make_bucket();
  return S3Bucket::open(name, {.endpoint = server.endpoint(),
                               .access_key = server.keys().access_key,
                               .secret_key = server.keys().secret_key,
                               .use_environment = false,
                               .http = {.allow_private_network = true, .open_bytes = open_bytes}})
      .value();
}

void put_object(const S3Bucket& bucket, const std::string& key, std::string_view bytes) {
  const auto sink = bucket.open_sink(key);
  ASSERT_TRUE(sink);
  ASSERT_TRUE((*sink)->append(std::as_bytes(std::span(bytes))));
  ASSERT_TRUE((*sink)->commit());
}

struct S3Objects {
  static constexpr SourceTraits kTraits{.strength = IdentityStrength::strong,
                                        .can_be_overwritten = true,
                                        .can_be_cut = true,
                                        .tells_new_size = false};

  std::shared_ptr<const ByteSource> make(std::string_view bytes) {
    key_ = "object-" + std::to_string(next_++);
    content_ = bytes;
    put_object(bucket(), key_, bytes);
    return open_again();
  }
  void overwrite(std::uint64_t offset, std::string_view bytes) {
    content_.replace(static_cast<std::size_t>(offset), bytes.size(), bytes);
    put_object(bucket(), key_, content_);
  }
  void cut(std::uint64_t size) {
    content_.resize(static_cast<std::size_t>(size));
    put_object(bucket(), key_, content_);
  }
  // With as little as can be kept from opening, so that reads ask the server.
  std::shared_ptr<const ByteSource> open_again() const {
    return bucket().open_source(key_).value();
  }

 private:
  static const S3Bucket& bucket() {
    static const S3Bucket bucket = make_bucket();
    return bucket;
  }

  static inline int next_ = 0;
  std::string key_;
  std::string content_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(S3, SourceContract, S3Objects);
INSTANTIATE_TYPED_TEST_SUITE_P(S3, SourceConcurrencyContract, S3Objects);

// Parts of the least size there is, so that the contract's longer objects have many.
template <std::uint64_t kPartBytes>
struct S3Sinks {
  std::unique_ptr<ByteSink> open(IfExists if_exists) {
    auto sink =
        bucket_.open_sink("folder/object", {.if_exists = if_exists, .part_bytes = kPartBytes});
    return sink ? *std::move(sink) : nullptr;
  }
  std::optional<std::string> content() {
    const auto source = bucket_.open_source("folder/object");
    if (!source) return std::nullopt;
    return std::string((*source)->read(0, (*source)->size()).value().text());
  }
  void put(std::string_view bytes) { put_object(bucket_, "folder/object", bytes); }
  bool is_clean() {
    const auto page = bucket_.list();
    const auto uploads = bucket_.abort_uploads("folder/object", std::chrono::seconds(0));
    return page && page->objects.size() <= 1 && uploads == std::uint64_t{0};
  }

 private:
  S3Bucket bucket_ = make_bucket(64 << 10);
};

using S3Parts = S3Sinks<5 << 20>;
using S3Whole = S3Sinks<64 << 20>;
INSTANTIATE_TYPED_TEST_SUITE_P(S3Parts, SinkContract, S3Parts);
INSTANTIATE_TYPED_TEST_SUITE_P(S3Whole, SinkContract, S3Whole);

}  // namespace
}  // namespace quire::source
