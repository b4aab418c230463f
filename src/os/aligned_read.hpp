// Reading by whole aligned blocks, as O_DIRECT needs it, for who wants any bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "quire/error.hpp"

namespace quire::os {

// Offset, length and address of what is read are multiples of it: enough for every device with blocks up to a
// page.
inline constexpr std::size_t kDirectAlignment = 4096;

// Reads up to into.size() bytes, both and the address being aligned; fewer at the end of the file or where the system
// stops short, none behind the end.
using AlignedReader =
    std::function<Result<std::size_t>(std::uint64_t offset, std::span<std::byte> into)>;

// Reads up to out.size() bytes from `offset`, whatever the two are, through a buffer of at most 1 MiB: fewer
// also where that is full, none only at the end of the file. Errors: those of `read`; its range is the aligned one.
[[nodiscard]] Result<std::size_t> read_aligned(std::uint64_t offset, std::span<std::byte> out,
                                               const AlignedReader& read);

// The error of a file system that has no way past its cache: unsupported.
[[nodiscard]] Error no_direct_reads(const std::string& path);

}  // namespace quire::os
