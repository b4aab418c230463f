// What a command needs of something that holds vectors, whether it is a store or a snapshot.
//
//     QUIRE_TRY(const auto vectors, open_vectors(path, settings));
//     if (…) QUIRE_CHECK(vectors->get(id, row));
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "quire/vector_files.hpp"
#include "quire/vector_store.hpp"

namespace quire::cli {

// Takes rows that follow one another, dense, and their ids; both are valid during the call.
using TakeRows =
    std::function<Outcome<>(std::span<const std::uint64_t> ids, std::span<const std::byte> rows)>;

// Vectors that do not change while they are looked at. Single-thread.
class Vectors {
 public:
  virtual ~Vectors() = default;
  Vectors(const Vectors&) = delete;
  Vectors& operator=(const Vectors&) = delete;

  virtual std::uint64_t size() const = 0;
  virtual std::uint32_t dimension() const = 0;
  virtual ElementType element_type() const = 0;
  std::size_t row_bytes() const { return quire::row_bytes(element_type(), dimension()); }

  // Everything below compares checksums; damage fails with kDamageFound.

  virtual Outcome<bool> contains(std::uint64_t id) const = 0;

  // Copies the vector under `id` into `out`, which has row_bytes().
  virtual Outcome<> get(std::uint64_t id, std::span<std::byte> out) const = 0;

  // Hands all rows to `take`, ascending by id, some at a time; ends with the first failure, also
  // one of `take`.
  virtual Outcome<> scan(const TakeRows& take) const = 0;

  // As ReadView::nearest.
  virtual Outcome<std::vector<std::vector<Neighbour>>> nearest(
      VectorRef queries, std::size_t k, const NearestOptions& options) const = 0;

 protected:
  Vectors() = default;
};

// The type of the elements that a file of `format` gets for vectors of `type` where nobody says: the same,
// but f32 for bf16 and u8 for b1 in an npy file, which has no such types. No value is changed by it.
ElementType file_type(VectorFormat format, ElementType type);

// Writes rows of one type to a vector file of another. Single-thread; borrows the writer.
class ConvertingWriter {
 public:
  ConvertingWriter(VectorFileWriter& writer, std::uint32_t dimension, ElementType from,
                   ElementType to)
      : writer_(writer), dimension_(dimension), from_(from), to_(to) {}

  // Errors: as convert and VectorFileWriter::append.
  Outcome<> append(std::span<const std::byte> rows);

 private:
  VectorFileWriter& writer_;
  std::uint32_t dimension_;
  ElementType from_;
  ElementType to_;
  std::vector<std::byte> converted_;
};

// Opens a store's directory, a snapshot file, which is mapped, or a snapshot's URL.
Outcome<std::unique_ptr<Vectors>> open_vectors(const std::string& path, const Settings& settings);

// The same for one who goes through all rows: a snapshot file is read by calls, so that one that is
// cut meanwhile is an error and no signal.
Outcome<std::unique_ptr<Vectors>> open_vectors_for_scan(const std::string& path,
                                                        const Settings& settings);

}  // namespace quire::cli
