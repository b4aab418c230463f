// The contract of byte sources, over nginx.
#include <memory>
#include <string>
#include <string_view>

#include "quire/http_source.hpp"
#include "remote/server_fixture.hpp"
#include "source/source_concurrency_contract.hpp"
#include "source/source_contract.hpp"

namespace quire::source {
namespace {

struct HttpPlace {
  static constexpr SourceTraits kTraits{.strength = IdentityStrength::strong,
                                        .can_be_overwritten = true,
                                        .can_be_cut = true,
                                        .tells_new_size = false};

  std::shared_ptr<const ByteSource> make(std::string_view bytes) {
    name_ = "object-" + std::to_string(next_++);
    server().folder().put(name_, bytes);
    return open_again();
  }
  void overwrite(std::uint64_t offset, std::string_view bytes) const {
    {
      std::fstream file(path(), std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(offset));
      file << bytes;
    }
    make_newer();
  }
  void cut(std::uint64_t size) const {
    std::filesystem::resize_file(path(), size);
    make_newer();
  }
  std::shared_ptr<const ByteSource> open_again() const {
    // With as little as can be kept from opening, so that reads ask the server.
    return open_http_source(server().url(name_), {.allow_private_network = true, .open_bytes = 1})
        .value();
  }

 private:
  static const remote::Nginx& server() {
    static const remote::Nginx server;
    return server;
  }
  std::filesystem::path path() const { return server().folder().root() / name_; }
  // nginx makes its ETag of the size and the time in seconds.
  void make_newer() const {
    std::filesystem::last_write_time(
        path(), std::filesystem::last_write_time(path()) + std::chrono::seconds(2));
  }

  static inline int next_ = 0;
  std::string name_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Http, SourceContract, HttpPlace);
INSTANTIATE_TYPED_TEST_SUITE_P(Http, SourceConcurrencyContract, HttpPlace);

}  // namespace
}  // namespace quire::source
