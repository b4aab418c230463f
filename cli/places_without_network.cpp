// places.hpp in a command that is built without quire::remote.
#include "cli/places.hpp"

namespace quire::cli {
namespace {

std::unexpected<Failure> refuse() {
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

Outcome<std::shared_ptr<const ByteSource>> open_url_in_order(const std::string& /*url*/,
                                                             const Settings& /*settings*/) {
  return refuse();
}

Outcome<std::unique_ptr<ByteSink>> open_s3_sink(const std::string& /*url*/,
                                                const SinkOptions& /*options*/,
                                                const Settings& /*settings*/) {
  return refuse();
}

Outcome<> list_s3(const std::string& /*url*/, S3ListOptions /*options*/,
                  const Settings& /*settings*/,
                  const std::function<Outcome<>(const S3Page& page)>& /*take*/) {
  return refuse();
}

}  // namespace quire::cli
