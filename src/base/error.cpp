#include "quire/error.hpp"

#include <array>
#include <string>
#include <utility>

namespace quire {
inline namespace v0 {

namespace {

struct CodeRow {
  ErrorCode code;
  std::string_view name;
  std::errc nearest;
};

constexpr std::array kCodes{
    CodeRow{ErrorCode::invalid_argument, "invalid_argument", std::errc::invalid_argument},
    CodeRow{ErrorCode::out_of_range, "out_of_range", std::errc::result_out_of_range},
    CodeRow{ErrorCode::misaligned, "misaligned", std::errc::invalid_argument},
    CodeRow{ErrorCode::wrong_mode, "wrong_mode", std::errc::bad_file_descriptor},
    CodeRow{ErrorCode::not_found, "not_found", std::errc::no_such_file_or_directory},
    CodeRow{ErrorCode::exists, "exists", std::errc::file_exists},
    CodeRow{ErrorCode::permission, "permission", std::errc::permission_denied},
    CodeRow{ErrorCode::busy, "busy", std::errc::device_or_resource_busy},
    CodeRow{ErrorCode::no_space, "no_space", std::errc::no_space_on_device},
    CodeRow{ErrorCode::io, "io", std::errc::io_error},
    CodeRow{ErrorCode::truncated, "truncated", std::errc::io_error},
    CodeRow{ErrorCode::changed, "changed", std::errc::io_error},
    CodeRow{ErrorCode::corrupt, "corrupt", std::errc::io_error},
    CodeRow{ErrorCode::format_version, "format_version", std::errc::not_supported},
    CodeRow{ErrorCode::mismatch, "mismatch", std::errc::invalid_argument},
    CodeRow{ErrorCode::capacity, "capacity", std::errc::value_too_large},
    CodeRow{ErrorCode::unsupported, "unsupported", std::errc::not_supported},
    CodeRow{ErrorCode::read_only_after_error, "read_only_after_error",
            std::errc::read_only_file_system},
    CodeRow{ErrorCode::outcome_unknown, "outcome_unknown", std::errc::io_error},
    CodeRow{ErrorCode::denied_by_policy, "denied_by_policy", std::errc::operation_not_permitted},
    CodeRow{ErrorCode::unauthenticated, "unauthenticated", std::errc::permission_denied},
    CodeRow{ErrorCode::timeout, "timeout", std::errc::timed_out},
    CodeRow{ErrorCode::network, "network", std::errc::network_unreachable},
    CodeRow{ErrorCode::cancelled, "cancelled", std::errc::operation_canceled},
    CodeRow{ErrorCode::closed, "closed", std::errc::bad_file_descriptor},
};

constexpr const CodeRow& row_of(ErrorCode code) noexcept {
  return kCodes[static_cast<std::size_t>(code)];
}

// The table is indexed by the code: its rows stand in the order of the enumeration.
static_assert([] {
  for (std::size_t i = 0; i < kCodes.size(); ++i) {
    if (static_cast<std::size_t>(kCodes[i].code) != i) return false;
  }
  return kCodes.size() == static_cast<std::size_t>(ErrorCode::closed) + 1;
}());

// Else it is the status of an HTTP answer that is an error, which has no text.
bool is_errno(int system_code) noexcept { return system_code > 0 && system_code < 300; }

}  // namespace

std::string_view to_string(ErrorCode code) noexcept { return row_of(code).name; }

struct Error::Details {
  std::string path;
  std::string sentence;
  ByteRange range;
  bool has_range = false;
};

Error::Error(ErrorCode code, const char* operation, int system_code) noexcept
    : code_(code), system_code_(system_code), operation_(operation) {}

Error::Details& Error::own_details() {
  auto fresh = details_ ? std::make_shared<Details>(*details_) : std::make_shared<Details>();
  Details& details = *fresh;
  details_ = std::move(fresh);
  return details;
}

Error Error::with_path(std::string path) && {
  own_details().path = std::move(path);
  return std::move(*this);
}

Error Error::with_range(ByteRange range) && {
  Details& details = own_details();
  details.range = range;
  details.has_range = true;
  return std::move(*this);
}

Error Error::with_detail(std::string sentence) && {
  own_details().sentence = std::move(sentence);
  return std::move(*this);
}

const std::string& Error::path() const noexcept {
  static const std::string kNone;
  return details_ ? details_->path : kNone;
}

bool Error::has_range() const noexcept { return details_ && details_->has_range; }

ByteRange Error::range() const noexcept { return details_ ? details_->range : ByteRange{}; }

const std::string& Error::detail() const noexcept {
  static const std::string kNone;
  return details_ ? details_->sentence : kNone;
}

std::string Error::message() const {
  std::string text = operation_;
  if (!path().empty()) text.append(" ").append(path());
  if (has_range()) {
    text.append(" [")
        .append(std::to_string(range().offset))
        .append(", ")
        .append(std::to_string(range().end()))
        .append(")");
  }
  text.append(": ").append(to_string(code_));
  if (!detail().empty()) text.append(": ").append(detail());
  if (is_errno(system_code_)) {
    text.append(" (").append(std::generic_category().message(system_code_)).append(")");
  }
  return text;
}

std::error_code Error::to_error_code() const noexcept {
  if (is_errno(system_code_)) return {system_code_, std::generic_category()};
  return std::make_error_code(row_of(code_).nearest);
}

}  // namespace v0
}  // namespace quire
