// The guide's first steps with a file that many threads write.
#include <quire/file_operations.hpp>
#include <quire/ranged_file.hpp>

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <thread>
#include <vector>

namespace {

// What the file is made of: each byte is the low byte of its offset.
std::vector<std::byte> compute(quire::ByteRange range) {
  std::vector<std::byte> bytes;
  for (std::uint64_t offset = range.offset; offset < range.end(); ++offset) {
    bytes.push_back(static_cast<std::byte>(offset & 0xff));
  }
  return bytes;
}

void write_in_parallel() {
  // #region use
  auto file = quire::RangedFile::create_or_replace("ranges.bin", 8 << 20).value();
  std::vector<std::jthread> workers;
  for (int i = 0; i < 8; ++i) {
    auto part = file.allocate(1 << 20).value();                // nobody else gets these bytes
    workers.emplace_back([mine = std::move(part)]() mutable {  // now they are the worker's
      mine.write(compute(mine.range())).value();               // no lock
    });
  }
  workers.clear();       // waits for them
  file.close().value();  // all of it is durable
  // #endregion
}

// Fetches what is missing, and can be stopped and run again at any moment.
std::uint64_t fetch_the_rest() {
  // #region resume
  auto file = quire::RangedFile::open_or_create("image.bin", 1 << 20, {.resume = true}).value();
  const auto coverage = file.coverage().value();
  for (const quire::ByteRange missing : coverage.missing) {
    auto part = file.allocate_at(missing).value();
    const auto receipt = part.write(compute(missing)).value();
    file.sync(receipt).value();  // not missing any more, whatever happens
  }
  file.finish().value();  // nothing is missing: the journal goes
  // #endregion
  return (1 << 20) - coverage.written_bytes;
}

}  // namespace

int main() {
  write_in_parallel();
  const auto file = quire::RangedFile::open("ranges.bin", quire::Access::read_only).value();
  std::cout << "the last byte is "
            << std::to_integer<int>(file.bytes({(8 << 20) - 1, 1}).value()[0]) << '\n';

  quire::ignore_error(quire::remove_file("image.bin"));  // of the run before
  std::cout << "fetched " << fetch_the_rest() << " bytes\n";
}
