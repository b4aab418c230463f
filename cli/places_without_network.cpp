// places.hpp in a command that is built without quire::remote.
#include "cli/places.hpp"

namespace quire::cli {
namespace {

Outcome<std::shared_ptr<const ByteSource>> refuse() {
  return std::unexpected(Failure(
      Error(ErrorCode::unsupported, "open").with_detail("this quire was built without URLs")));
}

}  // namespace

Outcome<std::shared_ptr<const ByteSource>> open_url(const std::string& /*url*/,
                                                    const Settings& /*settings*/) {
  return refuse();
}

Outcome<std::shared_ptr<const ByteSource>> open_url_once(const std::string& /*url*/,
                                                         const Settings& /*settings*/) {
  return refuse();
}

}  // namespace quire::cli
