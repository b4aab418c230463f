#include "formats/input.hpp"

#include <utility>

#include "base/try.hpp"

namespace quire::formats {

namespace {

class FileInput final : public Input {
 public:
  explicit FileInput(std::unique_ptr<os::File> file)
      : Input(file->path()), file_(std::move(file)) {}

  Result<std::uint64_t> size() override {
    QUIRE_TRY(const os::FileInfo info, file_->info());
    return info.size;
  }
  Result<void> read_exactly(std::uint64_t offset, std::span<std::byte> out) override {
    return file_->read_exactly(offset, out);
  }

 private:
  const std::unique_ptr<os::File> file_;
};

class SourceInput final : public Input {
 public:
  explicit SourceInput(std::shared_ptr<const ByteSource> source)
      : Input(source->name()), source_(std::move(source)) {}

  Result<std::uint64_t> size() override { return source_->size(); }
  Result<void> read_exactly(std::uint64_t offset, std::span<std::byte> out) override {
    return source_->read_into(offset, out);
  }

 private:
  const std::shared_ptr<const ByteSource> source_;
};

}  // namespace

std::unique_ptr<Input> input_from(std::unique_ptr<os::File> file) {
  return std::make_unique<FileInput>(std::move(file));
}

std::unique_ptr<Input> input_from(std::shared_ptr<const ByteSource> source) {
  return std::make_unique<SourceInput>(std::move(source));
}

}  // namespace quire::formats
