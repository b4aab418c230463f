#include "quire/chunks.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/try.hpp"
#include "quire/mapped_memory.hpp"

namespace quire {
namespace mapped {

namespace {

Result<void> check_chunk_bytes(const MappedFile& file, std::uint64_t chunk_bytes) {
  if (chunk_bytes != 0) return {};
  return std::unexpected(no_chunk_bytes().with_path(file.path()));
}

// Counts what a pass has visited as one write.
Result<void> mark_visited(MappedFile& file, std::uint64_t end) {
  // The visitor may have shrunk the file.
  const std::uint64_t length = std::min(end, file.size());
  if (length == 0) return {};
  return file.mark_dirty({0, length});
}

}  // namespace

Error no_chunk_bytes() {
  return Error(ErrorCode::invalid_argument, "chunks")
      .with_detail("a chunk needs at least one byte");
}

Result<void> visit_copies(const MappedFile& file, std::uint64_t chunk_bytes,
                          ChunkCall<const std::byte> visitor) {
  if (!file.is_open()) return std::unexpected(Error(ErrorCode::closed, "for_each_chunk"));
  QUIRE_CHECK(check_chunk_bytes(file, chunk_bytes));
  const std::uint64_t size = file.size();
  const std::uint64_t longest = std::min(chunk_bytes, size);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(longest);
  for (std::uint64_t offset = 0; offset < size;) {
    const std::span<std::byte> chunk(buffer.get(), std::min(longest, size - offset));
    QUIRE_CHECK(file.read_into(offset, chunk));
    QUIRE_CHECK(visitor(offset, chunk));
    offset += chunk.size();
  }
  return {};
}

Result<void> visit_in_place(MappedFile& file, std::uint64_t chunk_bytes,
                            ChunkCall<std::byte> visitor) {
  QUIRE_CHECK(file.mutable_bytes(0, 0));
  QUIRE_CHECK(check_chunk_bytes(file, chunk_bytes));
  const std::uint64_t size = file.size();
  std::uint64_t visited = 0;
  Result<void> result;
  try {
    while (result && visited < size) {
      // Asked for each chunk, since the visitor may shrink the file.
      auto chunk = file.mutable_bytes(visited, std::min(chunk_bytes, size - visited));
      if (!chunk) {
        result = std::unexpected(std::move(chunk).error());
        break;
      }
      const std::uint64_t offset = std::exchange(visited, visited + chunk->size());
      result = visitor(offset, *chunk);
    }
  } catch (...) {
    ignore_error(mark_visited(file, visited));
    throw;
  }
  auto marked = mark_visited(file, visited);
  return result ? marked : result;
}

}  // namespace mapped

inline namespace v0 {

Result<Chunks> chunks(const MappedFile& file, std::uint64_t chunk_bytes) {
  QUIRE_TRY(const auto bytes, file.bytes(0, file.size()));
  QUIRE_CHECK(mapped::check_chunk_bytes(file, chunk_bytes));
  return Chunks::of(bytes, chunk_bytes);
}

Result<Chunks> pages(const MappedFile& file) { return chunks(file, page_size()); }

}  // namespace v0
}  // namespace quire
