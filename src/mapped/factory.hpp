// Opening and creating through a file system of the caller's choice: what MappedFile's own
// functions do with the real one, and tests with the simulated one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "os/file_system.hpp"
#include "quire/mapped_file.hpp"

namespace quire::mapped {

struct Opening;

// The contracts are MappedFile's.
struct Factory {
  static Result<MappedFile> create(os::FileSystem& file_system, const std::string& path,
                                   std::uint64_t size, const MappedFileOptions& options);
  static Result<MappedFile> create_or_replace(os::FileSystem& file_system, const std::string& path,
                                              std::uint64_t size, const MappedFileOptions& options);
  // Either of the two, at `target`, where `path` leads, doing something more with the file while it lies
  // beside: it is mapped, not yet under its name, and only gets there if that goes well.
  using WhileBeside = std::function<Result<void>(os::File&)>;
  static Result<MappedFile> create(os::FileSystem& file_system, const std::string& path,
                                   const std::string& target, std::uint64_t size,
                                   const MappedFileOptions& options, IfExists if_exists,
                                   const WhileBeside& while_beside);
  static Result<MappedFile> open_or_create(os::FileSystem& file_system, const std::string& path,
                                           std::uint64_t size, const MappedFileOptions& options);
  static Result<MappedFile> open(os::FileSystem& file_system, const std::string& path,
                                 Access access, const MappedFileOptions& options);
  static Result<MappedFile> open_window(os::FileSystem& file_system, const std::string& path,
                                        Access access, ByteRange window,
                                        const MappedFileOptions& options);
  static Result<MappedFile> from_descriptor(int descriptor, Access access,
                                            const MappedFileOptions& options);
  static Result<MappedFile> anonymous(std::uint64_t size, const MappedFileOptions& options);

  // Empty for a closed file.
  static const std::shared_ptr<Backing>& backing(const MappedFile& file) { return file.backing_; }

 private:
  static Result<MappedFile> map(std::unique_ptr<os::File> file, Opening opening,
                                const MappedFileOptions& options);
  static Result<MappedFile> open(os::FileSystem& file_system, Opening opening,
                                 const MappedFileOptions& options);
  static Result<MappedFile> build(os::FileSystem& file_system, const std::string& path,
                                  const std::string& target, std::uint64_t size,
                                  const MappedFileOptions& options, IfExists if_exists,
                                  const WhileBeside& while_beside = {});
};

}  // namespace quire::mapped
