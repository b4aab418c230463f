// The guide's first steps with a mapped file.
#include <quire/mapped_file.hpp>

#include <cstddef>
#include <iostream>

int main() {
  // #region use
  auto file =
      quire::MappedFile::create_or_replace("table.bin", 1 << 20).value();  // space is allocated
  auto bytes = file.mutable_bytes(0, 4096).value();  // std::span<std::byte>: no copy, no lock
  bytes[0] = std::byte{1};
  file.grow(64 << 20).value();  // `bytes` is still valid: nothing moves
  bytes[1] = std::byte{2};
  file.flush().value();  // on stable storage when it returns
  // #endregion
  std::cout << "byte 1 is " << std::to_integer<int>(file.bytes(1, 1).value()[0]) << '\n';
}
