#include "quire/mapped_file_async.hpp"

#include <new>
#include <optional>
#include <utility>

#include "base/try.hpp"

namespace quire {
inline namespace v0 {

namespace {

// What an operation is about: it holds that until it has ended, and its errors name it.
struct Part {
  MappedFile file;
  std::optional<ByteRange> range = std::nullopt;

  Error named(Error error) const {
    if (range) error = std::move(error).with_range(*range);
    return std::move(error).with_path(file.path());
  }
};

struct Path {
  std::string path;

  Error named(Error error) const { return std::move(error).with_path(path); }
};

// Takes the subject, and has let go of it when it returns. On the executor nobody catches: there it is
// an error that memory ran out.
template <class T, class Subject, class Work>
Result<T> run(const char* operation, const std::stop_token& stop, Subject& subject,
              const Work& work) {
  try {
    Subject taken = std::move(subject);
    if (!stop.stop_requested()) return work(taken);
    return std::unexpected(taken.named(Error(ErrorCode::cancelled, operation)));
  } catch (const std::bad_alloc&) {
    return std::unexpected(Error(ErrorCode::capacity, operation));
  }
}

// Has `work` done with the subject, on the executor.
template <class T, class Subject, class Work>
void submit(const char* operation, Subject subject, Work work, Completion<T> done,
            AsyncOptions options) {
  const auto executor = options.executor ? std::move(options.executor) : default_executor();
  executor->submit([operation, stop = std::move(options.stop), subject = std::move(subject),
                    work = std::move(work), done = std::move(done)]() mutable {
    auto result = run<T>(operation, stop, subject, work);
    done(std::move(result));
  });
}

}  // namespace

void write_async(MappedFile& file, std::uint64_t offset, std::span<const std::byte> in,
                 Completion<> done, AsyncOptions options) {
  submit(
      "write", Part{file.share(), ByteRange{offset, in.size()}},
      [in](Part& part) { return part.file.write(part.range->offset, in); }, std::move(done),
      std::move(options));
}

void write_durable_async(MappedFile& file, std::uint64_t offset, std::span<const std::byte> in,
                         Completion<> done, AsyncOptions options) {
  submit(
      "write", Part{file.share(), ByteRange{offset, in.size()}},
      [in](Part& part) -> Result<void> {
        QUIRE_CHECK(part.file.write(part.range->offset, in));
        return part.file.flush_range(*part.range);
      },
      std::move(done), std::move(options));
}

void flush_async(MappedFile& file, Completion<> done, AsyncOptions options) {
  submit(
      "flush", Part{file.share()}, [](Part& part) { return part.file.flush(); }, std::move(done),
      std::move(options));
}

void flush_range_async(MappedFile& file, ByteRange range, Completion<> done, AsyncOptions options) {
  submit(
      "flush_range", Part{file.share(), range},
      [](Part& part) { return part.file.flush_range(*part.range); }, std::move(done),
      std::move(options));
}

void open_async(std::string path, Access access, Completion<MappedFile> done, AsyncOptions options,
                const MappedFileOptions& file_options) {
  submit(
      "open", Path{std::move(path)},
      [=](const Path& at) { return MappedFile::open(at.path, access, file_options); },
      std::move(done), std::move(options));
}

void create_async(std::string path, std::uint64_t size, Completion<MappedFile> done,
                  AsyncOptions options, const MappedFileOptions& file_options) {
  submit(
      "create", Path{std::move(path)},
      [=](const Path& at) { return MappedFile::create(at.path, size, file_options); },
      std::move(done), std::move(options));
}

void create_or_replace_async(std::string path, std::uint64_t size, Completion<MappedFile> done,
                             AsyncOptions options, const MappedFileOptions& file_options) {
  submit(
      "create", Path{std::move(path)},
      [=](const Path& at) { return MappedFile::create_or_replace(at.path, size, file_options); },
      std::move(done), std::move(options));
}

void open_or_create_async(std::string path, std::uint64_t size, Completion<MappedFile> done,
                          AsyncOptions options, const MappedFileOptions& file_options) {
  submit(
      "open_or_create", Path{std::move(path)},
      [=](const Path& at) { return MappedFile::open_or_create(at.path, size, file_options); },
      std::move(done), std::move(options));
}

void read_file_async(std::string path, Completion<Bytes> done, AsyncOptions options,
                     const ReadFileOptions& file_options) {
  submit(
      "read", Path{std::move(path)},
      [=](const Path& at) { return read_file(at.path, file_options); }, std::move(done),
      std::move(options));
}

void write_file_atomic_async(std::string path, std::span<const std::byte> in, Completion<> done,
                             AsyncOptions options, const WriteFileOptions& file_options) {
  submit(
      "write", Path{std::move(path)},
      [=](const Path& at) { return write_file_atomic(at.path, in, file_options); }, std::move(done),
      std::move(options));
}

void write_file_range_async(std::string path, std::uint64_t offset, std::span<const std::byte> in,
                            Completion<> done, AsyncOptions options) {
  submit(
      "write", Path{std::move(path)},
      [=](const Path& at) { return write_file_range(at.path, offset, in); }, std::move(done),
      std::move(options));
}

void copy_file_async(std::string from, std::string to, Completion<> done, AsyncOptions options,
                     const CopyFileOptions& file_options) {
  submit(
      "copy", Path{std::move(from)},
      [to = std::move(to), file_options](const Path& at) {
        return copy_file(at.path, to, file_options);
      },
      std::move(done), std::move(options));
}

void remove_file_async(std::string path, Completion<> done, AsyncOptions options) {
  submit(
      "remove", Path{std::move(path)}, [](const Path& at) { return remove_file(at.path); },
      std::move(done), std::move(options));
}

}  // namespace v0
}  // namespace quire
