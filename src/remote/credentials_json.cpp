#include "remote/credentials_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace quire::remote {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestCode = 64;

std::unexpected<Error> no_credentials(std::string why) {
  return std::unexpected(Error(ErrorCode::network, "authenticate").with_detail(std::move(why)));
}

// Nothing if there is none, or it is no text.
std::optional<std::string> text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

bool is_missing(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null();
}

// A word for a message; what else it may be stays out of it.
std::string word(const std::string& text) {
  const bool is_word = text.size() <= kLongestCode && std::ranges::all_of(text, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
                       });
  return is_word ? text : "something else";
}

// Numbers and what is between them.
class TimeText {
 public:
  explicit TimeText(std::string_view text) : rest_(text) {}

  int number(std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      const char c = next();
      if (c < '0' || c > '9') is_good_ = false;
      value = value * 10 + (c - '0');
    }
    return value;
  }
  char next() {
    if (rest_.empty()) {
      is_good_ = false;
      return '\0';
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  void expect(char c) {
    if (next() != c) is_good_ = false;
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void skip_digits() {
    const std::size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    rest_.remove_prefix(end);
  }
  bool is_good() const noexcept { return is_good_; }
  bool is_good_end() const noexcept { return is_good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool is_good_ = true;
};

}  // namespace

std::optional<std::chrono::sys_seconds> parse_time(std::string_view text) {
  namespace chrono = std::chrono;
  TimeText in(text);
  const chrono::year year(in.number(4));
  in.expect('-');
  const auto month = chrono::month(static_cast<unsigned>(in.number(2)));
  in.expect('-');
  const auto day = chrono::day(static_cast<unsigned>(in.number(2)));
  in.expect('T');
  const int hour = in.number(2);
  in.expect(':');
  const int minute = in.number(2);
  in.expect(':');
  const int second = in.number(2);
  if (!in.is_good()) return std::nullopt;
  if (in.take('.')) in.skip_digits();
  chrono::minutes ahead{0};  // of UTC
  if (!in.take('Z')) {
    const char sign = in.next();
    if (sign != '+' && sign != '-') return std::nullopt;
    const chrono::hours hours(in.number(2));
    in.take(':');
    ahead = hours + chrono::minutes(in.number(2));
    if (sign == '-') ahead = -ahead;
  }
  const chrono::year_month_day date(year, month, day);
  if (!in.is_good_end() || !date.ok() || hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  return chrono::sys_days(date) + chrono::hours(hour) + chrono::minutes(minute) +
         chrono::seconds(second) - ahead;
}

Result<S3Credentials> credentials_of_json(std::string_view text) {
  const Json object = Json::parse(text, nullptr, false);
  if (!object.is_object()) return no_credentials("the answer is no JSON object");
  if (const auto code = text_of(object, "Code"); code && *code != "Success") {
    return std::unexpected(Error(ErrorCode::unauthenticated, "authenticate")
                               .with_detail("the server has no credentials: " + word(*code)));
  }
  const auto access_key = text_of(object, "AccessKeyId");
  const auto secret_key = text_of(object, "SecretAccessKey");
  if (!access_key || access_key->empty()) return no_credentials("the answer has no AccessKeyId");
  if (!secret_key || secret_key->empty())
    return no_credentials("the answer has no SecretAccessKey");
  S3Credentials credentials{
      .key = {.access_key = *access_key, .secret_key = *secret_key, .session_token = {}}};
  if (!is_missing(object, "Token")) {
    const auto token = text_of(object, "Token");
    if (!token) return no_credentials("the answer's Token is no text");
    credentials.key.session_token = *token;
  }
  if (!is_missing(object, "Expiration")) {
    credentials.expires = parse_time(text_of(object, "Expiration").value_or(""));
    if (!credentials.expires) return no_credentials("the answer's Expiration is no time");
  }
  return credentials;
}

}  // namespace quire::remote
