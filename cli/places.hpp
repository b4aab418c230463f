// Where the bytes of a snapshot or any object are: a file, or a URL.
#pragma once

#include <memory>
#include <string>

#include "cli/command.hpp"
#include "quire/byte_source.hpp"

namespace quire::cli {

// True for what begins with http:// or https://, in any case.
bool is_url(const std::string& place);

// A place for people to read: a URL without its user, password and query, which may be secrets.
std::string shown(const std::string& place);

// What a URL leads to, with a cache of blocks before it. Reads its end when it is opened, where a snapshot says what it is.
Outcome<std::shared_ptr<const ByteSource>> open_url(const std::string& url,
                                                    const Settings& settings);

// The same as it is, to be read once from front to back.
Outcome<std::shared_ptr<const ByteSource>> open_url_once(const std::string& url,
                                                         const Settings& settings);

}  // namespace quire::cli
