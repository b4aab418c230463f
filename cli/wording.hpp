// Numbers, times and ids as people read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace quire::cli {

// "10,000".
std::string grouped(std::uint64_t number);

// "1 row", "10,000 rows".
std::string counted(std::uint64_t number, std::string_view noun);

// "512 B", "1.3 MiB".
std::string byte_size(std::uint64_t bytes);

// "120 ns", "85 µs", "1.2 ms", "3.4 s", "12:05".
std::string duration(double seconds);

// "812,345" or, under 10 a second, "3.2": done in a second.
std::string rate(std::uint64_t done, double seconds);

// "2026-03-01T12:00:00Z": nanoseconds since 1970-01-01 UTC, to the second.
std::string utc_time(std::uint64_t nanoseconds);

// "00ff10": two digits a byte.
std::string hex(std::span<const std::byte> bytes);

}  // namespace quire::cli
