// MappedIstream: a mapped file as a std::istream.
//
// Use it to give a mapped file to code that reads streams: parsers, std::getline, archives.
//
//     quire::MappedIstream in(file);
//     for (std::string line; std::getline(in, line);) use(line);
//     if (in.bad()) return report(*in.error());     // not the end of the file: a failure
//
// It copies what it reads, so that a file which another process cuts, or a device that fails, sets
// badbit and not off a SIGBUS. Reads of 64 KiB and more go straight into the reader's memory,
// others by a buffer of 64 KiB.
//
// As a file stream does, it
//   - gives the bytes as they are (it is always "binary"),
//   - refuses to seek before the first byte: failbit, and the position stays,
//   - seeks past the end, where reading finds the end of the file,
//   - can go on after `clear()` when the file has grown meanwhile: where the end is, it asks the
//     MappedFile each time it gets there. (Growth by other processes shows after `refresh`.)
// What is stored into the file shows in what is read later, but for the 64 KiB that may be in the
// buffer; `sync()`, and a seek that moves, empty it.
#pragma once

#include <istream>
#include <memory>
#include <optional>

#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/mapped_file.hpp"

namespace quire {
inline namespace v0 {

// For one thread at a time, as every stream. Streams on one file are independent of each other, and
// each keeps the mapping alive (see `MappedFile::share`), also without the MappedFile.
//
// Neither copied nor moved. What fails sets bits and does not throw, unless `exceptions()` says so;
// but a read from `*rdbuf()` itself, as by std::istreambuf_iterator, throws std::ios_base::failure:
// it could not otherwise be told from the end of the file.
class QUIRE_EXPORT MappedIstream : public std::istream {
 public:
  // Begins at byte 0. Of a closed file, reading sets badbit.
  explicit MappedIstream(const MappedFile& file);
  ~MappedIstream() override;
  MappedIstream(const MappedIstream&) = delete;
  MappedIstream& operator=(const MappedIstream&) = delete;
  MappedIstream(MappedIstream&&) = delete;
  MappedIstream& operator=(MappedIstream&&) = delete;

  // Why a read last set badbit: closed, truncated, no_space, io. Nothing if none did: `unget` at
  // the first byte sets badbit too, and is no failure of the file. `clear()` does not take it back.
  //
  // A `read` that fails takes nothing: `gcount()` is 0, and the position, after `clear()`, is the
  // one before. What goes byte by byte, as std::getline, has taken what came before the failure.
  const std::optional<Error>& error() const noexcept QUIRE_LIFETIMEBOUND;

 private:
  class Buffer;
  const std::unique_ptr<Buffer> buffer_;
};

}  // namespace v0
}  // namespace quire
