#include <cstddef>
#include <utility>

#include "base/try.hpp"
#include "os/atomic_file.hpp"
#include "source/source_access.hpp"

namespace quire {

namespace source {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;  // of a write

class FileSink final : public ByteSink {
 public:
  FileSink(std::string path, std::unique_ptr<os::AtomicFile> file)
      : ByteSink(std::move(path)), file_(std::move(file)) {}

 private:
  Result<void> do_append(std::span<const std::byte> bytes) override { return file_->append(bytes); }
  Result<void> do_commit() override { return file_->finish(); }

  const std::unique_ptr<os::AtomicFile> file_;
};

}  // namespace

Result<std::unique_ptr<ByteSink>> open_file_sink(os::FileSystem& file_system,
                                                 const std::string& path,
                                                 const FileSinkOptions& options) {
  QUIRE_TRY(auto file, os::AtomicFile::create(file_system, path, kBlockBytes, options.if_exists));
  return std::make_unique<FileSink>(path, std::move(file));
}

}  // namespace source

inline namespace v0 {

Result<std::unique_ptr<ByteSink>> open_file_sink(const std::string& path,
                                                 const FileSinkOptions& options) {
  return source::open_file_sink(os::real_file_system(), path, options);
}

}  // namespace v0
}  // namespace quire
