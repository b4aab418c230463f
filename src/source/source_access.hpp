// Sources and sinks over any file system. For the tests, and for rooms that build on them. The contracts
// are those of quire/local_source.hpp and quire/byte_sink.hpp.
#pragma once

#include <memory>
#include <string>

#include "os/file_system.hpp"
#include "quire/byte_sink.hpp"
#include "quire/byte_source.hpp"

namespace quire::source {

[[nodiscard]] Result<std::shared_ptr<const ByteSource>> open_file_source(
    os::FileSystem& file_system, const std::string& path);
[[nodiscard]] Result<std::shared_ptr<const ByteSource>> open_map_source(os::FileSystem& file_system,
                                                                        const std::string& path);
[[nodiscard]] Result<std::unique_ptr<ByteSink>> open_file_sink(os::FileSystem& file_system,
                                                               const std::string& path,
                                                               const FileSinkOptions& options);

}  // namespace quire::source
