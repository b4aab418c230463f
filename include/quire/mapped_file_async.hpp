// Work on files that nobody waits for: what MappedFile and quire/file_operations.hpp do that may wait
// for the disk, on an executor.
//
//     quire::write_durable_async(file, 0, bytes, [](quire::Result<> written) {
//       if (!written) report(written.error());                 // else the bytes are on stable storage
//     });
//
// For futures and coroutines, see quire/async_future.hpp and quire/async_await.hpp. To read a mapped
// file asynchronously, open it as a source (quire/local_source.hpp).
//
// All are thread-safe and return at once. `done` is called exactly once, with what the synchronous form
// returns when it runs, on a thread of the executor, never inside the call; it must not throw. Before
// it is called, the operation has let go of the file and of the caller's buffer, which must stay valid
// until then. Errors also:
//   cancelled: stop was asked for before the operation began; nothing was done. Once begun, it runs to
//              its end.
//   capacity:  no memory, where the synchronous form throws bad_alloc.
// The call itself throws nothing but bad_alloc, and then `done` is never called.
//
// Operations may run side by side and in any order: begin one in the `done` of the other where the
// order matters. An operation on a MappedFile has a handle of its own (MappedFile::share), so the
// caller's may be moved, closed or destroyed at once; the mapping ends with the last operation. So
// `close` flushes what was written before it, and not what an operation writes later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "quire/byte_range.hpp"
#include "quire/bytes.hpp"
#include "quire/completion.hpp"
#include "quire/executor.hpp"
#include "quire/export.hpp"
#include "quire/file_operations.hpp"
#include "quire/mapped_file.hpp"

namespace quire {
inline namespace v0 {

struct AsyncOptions {
  std::stop_token stop = {};
  // nullptr is default_executor(), as it is at the call. The operation does not keep it alive.
  std::shared_ptr<Executor> executor = nullptr;
};

// MappedFile::write.
QUIRE_EXPORT void write_async(MappedFile& file, std::uint64_t offset, std::span<const std::byte> in,
                              Completion<> done, AsyncOptions options = {});
// MappedFile::write, then flush_range of the same bytes: they are on stable storage when `done` is
// called. If the write fails nothing is flushed, and a part may have been written; if the flush fails
// all is written, and what of it is durable is unknown.
QUIRE_EXPORT void write_durable_async(MappedFile& file, std::uint64_t offset,
                                      std::span<const std::byte> in, Completion<> done,
                                      AsyncOptions options = {});
// MappedFile::flush: makes durable what was written before it runs, so at least what was written
// before this call.
QUIRE_EXPORT void flush_async(MappedFile& file, Completion<> done, AsyncOptions options = {});
// MappedFile::flush_range.
QUIRE_EXPORT void flush_range_async(MappedFile& file, ByteRange range, Completion<> done,
                                    AsyncOptions options = {});

// MappedFile::open, create, create_or_replace and open_or_create.
QUIRE_EXPORT void open_async(std::string path, Access access, Completion<MappedFile> done,
                             AsyncOptions options = {}, const MappedFileOptions& file_options = {});
QUIRE_EXPORT void create_async(std::string path, std::uint64_t size, Completion<MappedFile> done,
                               AsyncOptions options = {},
                               const MappedFileOptions& file_options = {});
QUIRE_EXPORT void create_or_replace_async(std::string path, std::uint64_t size,
                                          Completion<MappedFile> done, AsyncOptions options = {},
                                          const MappedFileOptions& file_options = {});
QUIRE_EXPORT void open_or_create_async(std::string path, std::uint64_t size,
                                       Completion<MappedFile> done, AsyncOptions options = {},
                                       const MappedFileOptions& file_options = {});

// The functions of quire/file_operations.hpp. A copy looks at its own `stop` too, in CopyFileOptions,
// and then ends in the middle; its `progress` is called on the executor.
QUIRE_EXPORT void read_file_async(std::string path, Completion<Bytes> done,
                                  AsyncOptions options = {},
                                  const ReadFileOptions& file_options = {});
QUIRE_EXPORT void write_file_atomic_async(std::string path, std::span<const std::byte> in,
                                          Completion<> done, AsyncOptions options = {},
                                          const WriteFileOptions& file_options = {});
QUIRE_EXPORT void write_file_range_async(std::string path, std::uint64_t offset,
                                         std::span<const std::byte> in, Completion<> done,
                                         AsyncOptions options = {});
QUIRE_EXPORT void copy_file_async(std::string from, std::string to, Completion<> done,
                                  AsyncOptions options = {},
                                  const CopyFileOptions& file_options = {});
QUIRE_EXPORT void remove_file_async(std::string path, Completion<> done, AsyncOptions options = {});

}  // namespace v0
}  // namespace quire
