// A long object copied to a file by several threads, which goes on where it was when it is started again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cli/command.hpp"
#include "quire/byte_source.hpp"
#include "quire/if_exists.hpp"

namespace quire::cli {

struct Downloaded {
  std::uint64_t fetched = 0;  // bytes; the others were there from an earlier start
};

// Where `target` is kept until it is whole.
std::string partial_name(const std::string& target);

// The file is `<target>.quire-copy` until it is whole and durable; then it takes its name. What is there from an
// earlier start is kept if it is of the same version of the same object. A symbolic link stays, and a file that is replaced passes its
// permissions on.
Outcome<Downloaded> download(const ByteSource& source, const std::string& target,
                             IfExists if_exists);

}  // namespace quire::cli
