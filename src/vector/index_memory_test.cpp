// What a row costs in memory beside its mapped pages: counted, byte by byte, as operator new gives them.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>

#include "vector/catalog.hpp"

namespace {

std::atomic<std::int64_t> bytes_in_use = 0;

// The size stands before what is given, at a distance that keeps its alignment.
constexpr std::size_t kBefore = 64;

void* allocate(std::size_t size) {
  void* memory = std::aligned_alloc(kBefore, (size + 2 * kBefore - 1) / kBefore * kBefore);
  if (memory == nullptr) throw std::bad_alloc();
  *static_cast<std::size_t*>(memory) = size;
  bytes_in_use += static_cast<std::int64_t>(size);
  return static_cast<char*>(memory) + kBefore;
}

void release(void* memory) noexcept {
  if (memory == nullptr) return;
  void* const begin = static_cast<char*>(memory) - kBefore;
  bytes_in_use -= static_cast<std::int64_t>(*static_cast<std::size_t*>(begin));
  std::free(begin);
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t /*at most 64*/) { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { release(memory); }
void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  release(memory);
}

namespace quire::vector {
namespace {

constexpr std::uint64_t kSmall = 131'072;  // an empty catalog, and what it takes ahead

// The bytes of a catalog with `rows` puts in batches of `batch`, of which id_of(i) gives the ids.
template <class IdOf>
std::uint64_t bytes_of(std::uint64_t rows, std::uint64_t batch, const IdOf& id_of) {
  const std::int64_t before = bytes_in_use;
  const auto catalog = std::make_unique<Catalog>();
  for (std::uint64_t i = 0; i < rows; ++i) {
    catalog->apply({.kind = OperationKind::put,
                    .id = id_of(i),
                    .row = i,
                    .lsn = i / batch + 1,
                    .row_checksum = i});
  }
  return static_cast<std::uint64_t>(bytes_in_use - before);
}

TEST(IndexMemory, OfRandomIdsIsAtMost64BytesARow) {
  for (const std::uint64_t rows : {10'000U, 30'000U, 100'000U, 145'000U, 210'000U, 300'000U}) {
    std::mt19937_64 random(rows);
    const std::uint64_t bytes = bytes_of(rows, 1, [&](std::uint64_t) { return random(); });
    RecordProperty("random", static_cast<int>(bytes / rows));
    EXPECT_LE(bytes, 64 * rows + kSmall) << rows << ": " << bytes / rows;
  }
}

TEST(IndexMemory, OfDenseIdsIsAtMost40BytesARow) {
  for (const std::uint64_t rows : {10'000U, 100'000U, 300'000U}) {
    const std::uint64_t bytes = bytes_of(rows, 1, [](std::uint64_t i) { return i; });
    EXPECT_LE(bytes, 40 * rows + kSmall) << rows << ": " << bytes / rows;
    // In large batches the LSN costs nothing.
    const std::uint64_t in_batches = bytes_of(rows, 10'000, [](std::uint64_t i) { return i; });
    EXPECT_LE(in_batches, 32 * rows + kSmall) << rows << ": " << in_batches / rows;
  }
}

TEST(IndexMemory, NoIdsCostMuchMoreThanRandomOnes) {
  // Ranges that just do not become pages, and one id of each range.
  for (const std::uint64_t of_each : {1U, 95U, 97U}) {
    const std::uint64_t bytes =
        bytes_of(200'000, 1'000, [&](std::uint64_t i) { return i / of_each * 256 + i % of_each; });
    EXPECT_LE(bytes, 72 * 200'000U + kSmall) << of_each << ": " << bytes / 200'000;
  }
}

}  // namespace
}  // namespace quire::vector
