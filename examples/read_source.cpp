// Prints some bytes of a file, and how the file is read:
//
//     read_source FILE OFFSET LENGTH
//
// Shows: opening a source, reading several ranges at once, and telling errors apart.
#include <quire/byte_source.hpp>
#include <quire/local_source.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>

namespace {

int fail(const quire::Error& error) {
  std::cerr << error.message() << '\n';
  return error.code() == quire::ErrorCode::changed ? 2 : 1;  // 2: open it again and start over
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "read_source FILE OFFSET LENGTH\n";
    return 1;
  }
  const std::uint64_t offset = std::strtoull(argv[2], nullptr, 10);
  const std::uint64_t length = std::strtoull(argv[3], nullptr, 10);

  const auto source = quire::open_file_source(argv[1]);
  if (!source) return fail(source.error());
  const quire::ByteSource& file = **source;
  std::cout << file.name() << ": " << file.size()
            << " bytes, pinned: " << quire::to_string(file.identity().strength) << '\n';

  // The first byte of the file and what was asked for, in one go. A range that is not in the file is an
  // error before anything is read.
  const std::array ranges{quire::ByteRange{0, 1}, quire::ByteRange{offset, length}};
  const auto bytes = file.read_many(ranges);
  if (!bytes) return fail(bytes.error());
  std::cout << (*bytes)[1].text() << '\n';
}
