#include <quire/http_source.hpp>

#include <algorithm>
#include <cstdint>
#include <iostream>

// Prints the first bytes of a URL, which an address of no public network is not.
int main(int argc, char** argv) {
  const auto source = quire::open_http_source(argc > 1 ? argv[1] : "http://127.0.0.1/");
  if (!source) {
    std::cout << quire::to_string(source.error().code()) << '\n';
    return 0;
  }
  std::cout << (*source)->read(0, std::min<std::uint64_t>(16, (*source)->size())).value().text()
            << '\n';
}
