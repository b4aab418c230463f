// open_source: one function for every place that bytes are read from.
//
//     auto source = quire::open_source(place);   // "table.bin", "https://data.example/table.bin", "s3://data/table.bin"
//     if (!source) return report(source.error());
//     auto header = (*source)->read(0, 64);
//
// Use it where a user says where the bytes are. Where the program knows, quire/local_source.hpp and
// quire/http_source.hpp and quire/s3.hpp say more plainly what is opened.
//
// Part of the library quire::remote.
#pragma once

#include <memory>
#include <string_view>

#include "quire/byte_source.hpp"
#include "quire/error.hpp"
#include "quire/export.hpp"
#include "quire/http_source.hpp"
#include "quire/s3.hpp"

namespace quire {
inline namespace v0 {

struct OpenSourceOptions {
  HttpSourceOptions http = {};
  S3Options s3 = {};  // in which its own `http` counts
};

// | place | opened by |
// |---|---|
// | `http://…`, `https://…` | open_http_source |
// | `s3://BUCKET/KEY` | S3Bucket::open_source; the key letter by letter, nothing is escaped |
// | `mmap:PATH` | open_map_source |
// | `file:PATH`, `file:///PATH` | open_file_source; escapes as %20 are undone behind `file://` only |
// | anything else that has no `://` | open_file_source, as a path |
//
// Schemes may be of any case. A path that looks like one of these can be written with "./" before it. Errors: those of what
// opens it; unsupported (another scheme); invalid_argument (a file: URL of another machine, or with a wrong escape).
[[nodiscard]] QUIRE_EXPORT Result<std::shared_ptr<const ByteSource>> open_source(
    std::string_view place, const OpenSourceOptions& options = {});

}  // namespace v0
}  // namespace quire
