// S3Parts: the parts of one upload, which go up side by side.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "remote/s3_connection.hpp"

namespace quire::remote {

// Single-thread; each part is sent by a thread of its own, since a request waits.
class S3Parts {
 public:
  S3Parts(std::shared_ptr<S3Connection> connection, std::string key, std::string upload,
          std::size_t max_in_flight, std::stop_token stop)
      : connection_(std::move(connection)),
        key_(std::move(key)),
        upload_(std::move(upload)),
        max_in_flight_(max_in_flight),
        pass_on_(std::move(stop), Stop{stop_}) {}
  // Cancels what is under way, and returns when all is done.
  ~S3Parts() { stop_.request_stop(); }
  S3Parts(const S3Parts&) = delete;
  S3Parts& operator=(const S3Parts&) = delete;

  const std::string& upload() const noexcept { return upload_; }
  std::size_t count() const noexcept { return count_; }

  // Sends the next part; waits for the first of those under way if there are too many. `bytes` comes back empty,
  // perhaps with the memory of a part that is done.
  // Errors: those of earlier parts.
  [[nodiscard]] Result<void> add(std::vector<std::byte>& bytes);
  // Waits for all; their ETags.
  [[nodiscard]] Result<std::vector<std::string>> finish();

 private:
  struct Part {
    std::size_t number;
    std::vector<std::byte> bytes;
    Result<std::string> etag = std::unexpected(Error(ErrorCode::capacity, "write"));
    std::jthread sender = {};  // the last: it ends before the rest
  };

  struct Stop {
    std::stop_source source;
    void operator()() noexcept { source.request_stop(); }
  };

  Result<std::string> send(const Part& part) const;
  // Waits for the first one under way.
  Result<void> take_first();

  const std::shared_ptr<S3Connection> connection_;
  const std::string key_;
  const std::string upload_;
  const std::size_t max_in_flight_;
  std::stop_source stop_;
  std::stop_callback<Stop> pass_on_;
  std::size_t count_ = 0;
  std::vector<std::string> etags_;
  std::vector<std::byte> spare_;
  std::deque<Part> under_way_;  // their addresses stay
};

}  // namespace quire::remote
