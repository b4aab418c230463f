// What an S3 server says when it says no.
#pragma once

#include <string>
#include <string_view>

#include "remote/http_place.hpp"

namespace quire::remote {

// A value. Nothing of the server's sentences is kept: they may repeat what was sent.
struct S3Error {
  std::string code = {};    // "NoSuchKey"; empty if it said none
  std::string region = {};  // the bucket's, where the server names it

  [[nodiscard]] static S3Error of(const Refusal& refusal);
};

// True if the words are an <Error>, whatever the status was.
[[nodiscard]] bool is_s3_error(std::string_view body);

// What a status and a code mean, but for what only a connection can put right. Nothing if the status says it all.
[[nodiscard]] std::optional<Verdict> verdict_of(int status, const S3Error& error);

}  // namespace quire::remote
