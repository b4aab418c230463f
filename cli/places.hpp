// Where the bytes of a snapshot or any object are: a file, or a URL of http, https or s3.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cli/command.hpp"
#include "quire/byte_sink.hpp"
#include "quire/byte_source.hpp"
#include "quire/s3.hpp"

namespace quire::cli {

// True for what begins with http://, https:// or s3://, in any case.
bool is_url(const std::string& place);
bool is_s3(const std::string& place);

// A place for people to read: a URL without its user, password and query, which may be secrets.
std::string shown(const std::string& place);

// A file or what a URL leads to, to be read once from front to back.
Outcome<std::shared_ptr<const ByteSource>> open_once(const std::string& place,
                                                     const Settings& settings);

struct SinkOptions {
  IfExists if_exists = IfExists::replace;
  std::uint64_t expected_bytes = 0;  // 0: not known
  // In S3: uploads to the same object that did not end and to which nothing came for so long are ended first.
  std::chrono::seconds abort_idle{};
};
// What makes a file, or an object in S3, whole or not at all.
Outcome<std::unique_ptr<ByteSink>> open_sink(const std::string& place, const SinkOptions& options,
                                             const Settings& settings);

// --- Those below are `unsupported` in a command that is built without quire::remote

// What a URL leads to, with a cache of blocks before it. Reads its end when it is opened, where a snapshot says what it is.
Outcome<std::shared_ptr<const ByteSource>> open_url(const std::string& url,
                                                    const Settings& settings);
Outcome<std::shared_ptr<const ByteSource>> open_url_once(const std::string& url,
                                                         const Settings& settings);
// The same with a cache that reads ahead of who reads pieces in order.
Outcome<std::shared_ptr<const ByteSource>> open_url_in_order(const std::string& url,
                                                             const Settings& settings);
Outcome<std::unique_ptr<ByteSink>> open_s3_sink(const std::string& url, const SinkOptions& options,
                                                const Settings& settings);
// Each page of the objects whose names begin as `url` does, in turn.
Outcome<> list_s3(const std::string& url, S3ListOptions options, const Settings& settings,
                  const std::function<Outcome<>(const S3Page& page)>& take);

}  // namespace quire::cli
