// Hashes a file of any size, a chunk at a time, in little memory.
//
//     chunked_hash FILE     prints the file's 64-bit FNV-1a hash, its size in bytes, and its name
//
// Each chunk is copied out of the mapping under a guard before it is hashed. A file that someone
// cuts short on the way, or a disk that cannot be read, is an error, and never a hash of what was
// left.
#include <quire/chunks.hpp>
#include <quire/mapped_file.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <iomanip>
#include <iostream>
#include <span>
#include <string>

namespace {

constexpr std::uint64_t kChunk = std::uint64_t{256} << 10;

// FNV-1a: short, good for telling files apart, and no defence against those who forge them.
class Fnv1a {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      state_ ^= std::to_integer<std::uint64_t>(byte);
      state_ *= 0x100000001b3;
    }
  }
  std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

struct HashedFile {
  std::uint64_t hash = 0;
  std::uint64_t size = 0;
};

quire::Result<HashedFile> hash_file(const std::string& path) {
  auto file = quire::MappedFile::open(path, quire::Access::read_only);
  if (!file) return std::unexpected(file.error());
  // Advice, which nothing depends on.
  quire::ignore_error(file->advise({0, file->size()}, quire::AccessHint::sequential));

  Fnv1a hash;
  std::uint64_t size = 0;
  auto done = quire::for_each_chunk(*file, kChunk,
                                    [&](std::uint64_t offset, std::span<const std::byte> chunk) {
                                      hash.add(chunk);
                                      size = offset + chunk.size();
                                    });
  if (!done) return std::unexpected(done.error());
  return HashedFile{hash.value(), size};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: chunked_hash FILE\n";
    return 2;
  }
  const auto hashed = hash_file(argv[1]);
  if (!hashed) {
    std::cerr << hashed.error().message() << '\n';
    return 1;
  }
  std::cout << std::hex << std::setfill('0') << std::setw(16) << hashed->hash << std::dec << "  "
            << hashed->size << "  " << argv[1] << '\n';
  return 0;
}
