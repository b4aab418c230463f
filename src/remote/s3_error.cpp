#include "remote/s3_error.hpp"

#include <algorithm>
#include <array>
#include <pugixml.hpp>
#include <utility>

#include "net/retry.hpp"

namespace quire::remote {

namespace {

constexpr std::size_t kMostLetters = 64;  // of a code or a region

// Letters, digits and what stands between them; else nothing: it comes from a stranger and goes into messages.
std::string word(std::string_view text) {
  const auto is_fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (text.size() > kMostLetters || !std::ranges::all_of(text, is_fine)) return {};
  return std::string(text);
}

struct Meaning {
  std::string_view code;
  Verdict::Then then;
  ErrorCode error;
  std::string_view why;
};

constexpr auto kGiveUp = Verdict::Then::give_up;
constexpr auto kRetry = Verdict::Then::retry;

constexpr std::array kMeanings{
    Meaning{"AccessDenied", kGiveUp, ErrorCode::permission, "these credentials may not do this"},
    Meaning{"AllAccessDisabled", kGiveUp, ErrorCode::permission, "nobody may do this"},
    Meaning{"InvalidAccessKeyId", kGiveUp, ErrorCode::unauthenticated,
            "the server does not know the access key"},
    Meaning{"SignatureDoesNotMatch", kGiveUp, ErrorCode::unauthenticated,
            "the secret key is not that of the access key"},
    Meaning{"ExpiredToken", kGiveUp, ErrorCode::unauthenticated, "the session has run out"},
    Meaning{"TokenRefreshRequired", kGiveUp, ErrorCode::unauthenticated, "the session has run out"},
    Meaning{"InvalidToken", kGiveUp, ErrorCode::unauthenticated, "the session token is none"},
    Meaning{"RequestTimeTooSkewed", kGiveUp, ErrorCode::unauthenticated,
            "this machine's clock and the server's differ too much"},
    Meaning{"RequestExpired", kGiveUp, ErrorCode::unauthenticated,
            "this machine's clock and the server's differ too much"},
    Meaning{"NoSuchKey", kGiveUp, ErrorCode::not_found, "there is no such object"},
    Meaning{"NoSuchBucket", kGiveUp, ErrorCode::not_found, "there is no such bucket"},
    Meaning{"NoSuchUpload", kGiveUp, ErrorCode::not_found,
            "the upload is gone: someone aborted it"},
    Meaning{"InvalidPart", kGiveUp, ErrorCode::not_found, "a part of the upload is gone"},
    Meaning{"InvalidBucketName", kGiveUp, ErrorCode::invalid_argument, "no bucket can be named so"},
    Meaning{"KeyTooLongError", kGiveUp, ErrorCode::invalid_argument, "the key is too long"},
    Meaning{"EntityTooLarge", kGiveUp, ErrorCode::capacity, "the object is too long for it"},
    Meaning{"EntityTooSmall", kGiveUp, ErrorCode::invalid_argument, "a part is too short for it"},
    Meaning{"QuotaExceeded", kGiveUp, ErrorCode::no_space, "the quota is used up"},
    Meaning{"InvalidObjectState", kGiveUp, ErrorCode::unsupported,
            "the object is archived, and has to be restored first"},
    Meaning{"NotImplemented", kGiveUp, ErrorCode::unsupported, "it does not know how to"},
    Meaning{"MethodNotAllowed", kGiveUp, ErrorCode::unsupported, "it does not know how to"},
    Meaning{"SlowDown", kRetry, ErrorCode::network, "it asks for patience"},
    Meaning{"Throttling", kRetry, ErrorCode::network, "it asks for patience"},
    Meaning{"ThrottlingException", kRetry, ErrorCode::network, "it asks for patience"},
    Meaning{"RequestLimitExceeded", kRetry, ErrorCode::network, "it asks for patience"},
    Meaning{"TooManyRequests", kRetry, ErrorCode::network, "it asks for patience"},
    Meaning{"ServiceUnavailable", kRetry, ErrorCode::network, "it cannot now"},
    Meaning{"InternalError", kRetry, ErrorCode::network, "it failed"},
    Meaning{"OperationAborted", kRetry, ErrorCode::network, "another request was in its way"},
    Meaning{"ConditionalRequestConflict", kRetry, ErrorCode::network,
            "another request was in its way"},
    Meaning{"RequestTimeout", kRetry, ErrorCode::network, "the request came too slowly"},
    Meaning{"IncompleteBody", kRetry, ErrorCode::network, "the body broke off"},
    Meaning{"BadDigest", kRetry, ErrorCode::network, "the body was changed on its way"},
    Meaning{"XAmzContentSHA256Mismatch", kRetry, ErrorCode::network,
            "the body was changed on its way"},
};

// Of an error that has no name here.
ErrorCode code_of(int status) noexcept {
  switch (status) {
    case 401:
      return ErrorCode::unauthenticated;
    case 403:
      return ErrorCode::permission;
    case 404:
    case 410:
      return ErrorCode::not_found;
    default:
      return status >= 400 && status < 500 ? ErrorCode::invalid_argument : ErrorCode::network;
  }
}

}  // namespace

bool is_s3_error(std::string_view body) {
  pugi::xml_document document;
  return document.load_buffer(body.data(), body.size()) &&
         std::string_view(document.document_element().name()) == "Error";
}

S3Error S3Error::of(const Refusal& refusal) {
  S3Error error;
  pugi::xml_document document;
  if (!refusal.body.empty() && document.load_buffer(refusal.body.data(), refusal.body.size())) {
    const pugi::xml_node root = document.document_element();
    if (std::string_view(root.name()) == "Error") {
      error.code = word(root.child_value("Code"));
      error.region = word(root.child_value("Region"));
    }
  }
  if (const auto named = refusal.head.find("x-amz-bucket-region")) error.region = word(*named);
  return error;
}

std::optional<Verdict> verdict_of(int status, const S3Error& error) {
  if (status == 412 || status == 416) return std::nullopt;  // whoever asked knows what it means
  const auto told = [&](std::string_view why) {
    std::string text = "the server says " + std::to_string(status);
    if (!error.code.empty()) text.append(" ").append(error.code);
    return text.append(": ").append(why);
  };
  const auto* const meaning = std::ranges::find(kMeanings, error.code, &Meaning::code);
  if (meaning != kMeanings.end()) {
    return Verdict{.then = meaning->then, .code = meaning->error, .why = told(meaning->why)};
  }
  if (status >= 300 && status < 400) {
    return Verdict{.why = told("the bucket is elsewhere, and it does not say in which region; "
                               "S3 clients do not follow such redirects")};
  }
  if (error.code.empty()) return std::nullopt;
  return Verdict{.then = net::is_passing(status) ? kRetry : kGiveUp,
                 .code = code_of(status),
                 .why = told("it cannot")};
}

}  // namespace quire::remote
