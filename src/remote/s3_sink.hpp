// The sink behind S3Bucket::open_sink.
#pragma once

#include <memory>
#include <string>

#include "quire/s3.hpp"
#include "remote/s3_connection.hpp"

namespace quire::remote {

[[nodiscard]] Result<std::unique_ptr<ByteSink>> open_s3_sink(
    std::shared_ptr<S3Connection> connection, std::string key, const S3SinkOptions& options);

// Forgets an upload and its parts; well also if it is gone.
[[nodiscard]] Result<void> abort_upload(const std::shared_ptr<S3Connection>& connection,
                                        const std::string& key, const std::string& id,
                                        const ReadOptions& options);

}  // namespace quire::remote
