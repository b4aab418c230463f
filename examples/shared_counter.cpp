// A counter in a file, that any number of processes add to and wait for.
//
//     shared_counter FILE add N        adds N, and prints what the counter is then
//     shared_counter FILE wait VALUE   sleeps until it is VALUE or more, and prints it
//
// Try it with two terminals. The file: 4 bytes, the counter, in the byte order of the machine.
#include <quire/mapped_file.hpp>

#include <charconv>
#include <cstdint>
#include <iostream>
#include <optional>
#include <string_view>

namespace {

int fail(const quire::Error& error) {
  std::cerr << error.message() << '\n';
  return 1;
}

int usage() {
  std::cerr << "usage: shared_counter FILE add N\n       shared_counter FILE wait VALUE\n";
  return 2;
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return usage();
  const std::string_view command = argv[2];
  const auto value = number(argv[3]);
  if (!value) return usage();

  // Whoever comes first makes the file; its bytes are zeros.
  auto file = quire::MappedFile::open_or_create(argv[1], sizeof(std::uint32_t));
  if (!file) return fail(file.error());
  auto counter = file->mutable_atomic_as<std::uint32_t>(0);
  if (!counter) return fail(counter.error());

  if (command == "add") {
    const std::uint32_t before = counter->fetch_add(*value);
    counter->notify_all();  // wakes those that wait, in whatever process
    // A counter that must survive a power cut would be flushed here: file->flush().
    std::cout << before + *value << '\n';
    return 0;
  }
  if (command == "wait") {
    std::uint32_t now = counter->load();
    while (now < *value) {
      counter->wait(now);  // until it is not `now`
      now = counter->load();
    }
    std::cout << now << '\n';
    return 0;
  }
  return usage();
}
