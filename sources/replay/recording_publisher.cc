#include "sources/replay/recording_publisher.h"

#include <utility>

namespace weft::sources {

Result<void> RecordingPublisher::Publish(transport::OutRecord record, int64_t deadline_ns) {
  const transport::OutRecord copy = record;  // shares the payload
  WEFT_TRY(inner_.Publish(std::move(record), deadline_ns));
  if (copy.stream != transport::Stream::kEvents) return {};
  std::lock_guard lock(mutex_);
  if (writer_.Write(copy.partition, copy.type, inner_.LogTimeNs(), copy.payload->bytes())) {
    records_.Add();
    bytes_.Set(writer_.bytes());
  } else {
    lost_.Add();
  }
  return {};
}

}  // namespace weft::sources
