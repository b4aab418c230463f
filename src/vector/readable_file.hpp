// ReadableFile: a file for reading whose device has lost parts of it. What cannot be read is told, and stands for
// bytes that are surely wrong, so that whoever reads takes it as any other damage.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "os/file_system.hpp"

namespace quire::vector {

inline constexpr std::uint64_t kSectorBytes = 512;

// Is called for each part that could not be read.
using UnreadableVisitor = std::function<void(const std::string& path, ByteRange range)>;

// Passes on to `file` what does not change it, and refuses the rest with `unsupported`. A part is a sector, as far as the file goes; a
// checksum finds what stands for it, which is not zeros either, as after a log's end.
[[nodiscard]] std::unique_ptr<os::File> readable_file(std::unique_ptr<os::File> file,
                                                      UnreadableVisitor visit);

}  // namespace quire::vector
