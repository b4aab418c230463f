// Hostile vector files: whatever the bytes, a reader answers with rows or an error, reads no memory
// that is not its own, and hands out the file's own bytes.
//
// The first byte chooses the format, the second the sizes of blocks and reads; the rest is the
// file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/injection.hpp"
#include "os/file_system.hpp"
#include "quire/vector_files.hpp"

namespace {

using quire::ElementType;
using quire::Result;
using quire::VectorFormat;

// A file that is these bytes; reads stop short, as the system's may.
class MemoryFile final : public quire::os::File {
 public:
  MemoryFile(const char* name, std::span<const std::byte> bytes) : File(name, {}), bytes_(bytes) {}

  Result<std::size_t> pread(std::uint64_t offset, std::span<std::byte> out) override {
    if (offset > bytes_.size()) return 0;
    const auto rest = bytes_.subspan(static_cast<std::size_t>(offset));
    const std::size_t length = std::min({rest.size(), out.size(), kLongestRead});
    if (length != 0) std::memcpy(out.data(), rest.data(), length);
    return length;
  }
  Result<quire::os::FileInfo> info() override {
    quire::os::FileInfo info;
    info.size = bytes_.size();
    return info;
  }
  Result<std::size_t> pwrite(std::uint64_t, std::span<const std::byte>) override { return no(); }
  Result<quire::os::SpaceInfo> space() override { return no(); }
  Result<void> allocate(quire::ByteRange) override { return no(); }
  Result<void> truncate(std::uint64_t) override { return no(); }
  Result<void> start_writeback(quire::ByteRange) override { return no(); }
  Result<quire::os::Mapping> map(quire::os::MapAccess, std::uint64_t) override { return no(); }
  Result<void> advise(quire::ByteRange, quire::AccessHint) override { return no(); }
  Result<void> set_permissions(std::uint32_t) override { return no(); }
  Result<void> try_lock(quire::os::LockKind) override { return no(); }
  Result<void> unlock() override { return no(); }

 protected:
  Result<void> do_sync() override { return no(); }
  Result<void> do_sync_range(const quire::os::Mapping&, quire::ByteRange) override { return no(); }

 private:
  static constexpr std::size_t kLongestRead = 1000;
  static std::unexpected<quire::Error> no() {
    return std::unexpected(quire::Error(quire::ErrorCode::unsupported, "fuzz"));
  }
  std::span<const std::byte> bytes_;
};

void require(bool holds) {
  if (!holds) std::abort();
}

// The last byte of all rows of a whole file is the file's last byte, and so is each before it.
void require_rows_of(std::span<const std::byte> file, std::span<const std::byte> dense,
                     std::size_t row_bytes, std::size_t prefix_bytes) {
  while (!dense.empty()) {
    require(file.size() >= row_bytes + prefix_bytes);
    require(std::ranges::equal(file.last(row_bytes), dense.last(row_bytes)));
    file = file.first(file.size() - row_bytes - prefix_bytes);
    dense = dense.first(dense.size() - row_bytes);
  }
}

void read_vectors(const char* name, std::span<const std::byte> file,
                  const quire::VectorFileOptions& options, std::size_t block_bytes,
                  std::size_t max_rows) {
  auto reader = quire::formats::Injection::open(std::make_unique<MemoryFile>(name, file), options,
                                                block_bytes);
  if (!reader) {
    require(!reader.error().message().empty());
    return;
  }
  require(reader->rows() <= file.size() / reader->row_bytes());
  std::vector<std::byte> all;
  for (;;) {
    const std::uint64_t before = reader->position();
    const auto rows = reader->next(max_rows);
    if (!rows) {
      require(reader->position() == before && !rows.error().message().empty());
      return;
    }
    if (rows->empty()) break;
    all.insert(all.end(), rows->begin(), rows->end());
    require(all.size() == reader->position() * reader->row_bytes());
  }
  require(all.size() == reader->rows() * reader->row_bytes());
  const bool prefixed =
      reader->format() == VectorFormat::fvecs || reader->format() == VectorFormat::bvecs;
  require_rows_of(file, all, reader->row_bytes(), prefixed ? 4 : 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::span<const std::byte> file = std::as_bytes(std::span(data, size)).subspan(2);
  const std::size_t block_bytes = std::size_t{data[1]} * 16;
  const std::size_t max_rows = 1 + data[1] % 7;
  const ElementType type = quire::kElementTypes[data[1] % quire::kElementTypes.size()];
  switch (data[0] % 6) {
    case 0:
      read_vectors("a.fvecs", file, {}, block_bytes, max_rows);
      break;
    case 1:
      read_vectors("a.bvecs", file, {}, block_bytes, max_rows);
      break;
    case 2:
      read_vectors("a.npy", file, {}, block_bytes, max_rows);
      break;
    case 3:
      read_vectors("a.raw", file, {.dimension = data[1], .element_type = type}, block_bytes,
                   max_rows);
      break;
    case 4:
      read_vectors("vectors", file, {.dimension = data[1]}, block_bytes, max_rows);
      break;
    default: {
      const auto truth = quire::formats::Injection::read_ivecs(
          std::make_unique<MemoryFile>("a.ivecs", file), {}, block_bytes);
      if (!truth) break;
      require(truth->data.size() == truth->rows * truth->columns);
      require_rows_of(file, std::as_bytes(std::span(truth->data)), std::size_t{truth->columns} * 4,
                      4);
    }
  }
  return 0;
}
