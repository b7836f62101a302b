#include "tests/fuzz/mutate.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <limits>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace rondo {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;

std::string MutatedBytes(std::string bytes, size_t more) {
  const size_t size = bytes.size();
  bytes.resize(size + more);
  auto* data = reinterpret_cast<uint8_t*>(bytes.data());
  bytes.resize(LLVMFuzzerMutate(data, size, bytes.size()));
  return bytes;
}

class Mutator {
 public:
  explicit Mutator(std::minstd_rand* random) : random_(*random) {}

  // One field, in depth.
  void Mutate(Message* message) {
    const int fields = message->GetDescriptor()->field_count();
    if (fields == 0) return;
    const FieldDescriptor* field = message->GetDescriptor()->field(Below(fields));
    const Reflection* reflection = message->GetReflection();
    if (field->is_repeated()) return MutateRepeated(message, field);
    if (OneIn(8)) return reflection->ClearField(message, field);
    if (field->message_type() != nullptr) return Mutate(reflection->MutableMessage(message, field));
    Set(message, field, -1);
  }

 private:
  int Below(int count) { return static_cast<int>(random_() % count); }
  bool OneIn(int count) { return Below(count) == 0; }

  template <typename T>
  T Pick(std::initializer_list<T> values) {
    return *std::next(values.begin(), Below(static_cast<int>(values.size())));
  }

  void MutateRepeated(Message* message, const FieldDescriptor* field) {
    const Reflection* reflection = message->GetReflection();
    const bool messages = field->message_type() != nullptr;
    const int size = reflection->FieldSize(*message, field);
    if (size > 0 && OneIn(8)) return reflection->RemoveLast(message, field);
    if (size > 0 && !OneIn(4)) {
      const int index = Below(size);
      return messages ? Mutate(reflection->MutableRepeatedMessage(message, field, index))
                      : Set(message, field, index);
    }
    if (!messages) return Add(message, field);
    Message* added = reflection->AddMessage(message, field);
    if (size > 0) added->CopyFrom(reflection->GetRepeatedMessage(*message, field, Below(size)));
    Mutate(added);
  }

  int64_t Integer() {
    using Limits = std::numeric_limits<int64_t>;
    const int64_t edge =
        Pick<int64_t>({0, 1, 2, 8, 100, 1 << 20, std::numeric_limits<int32_t>::max(),
                       int64_t{1} << 32, int64_t{1} << 62, Limits::max(), Limits::min()});
    const uint64_t near = static_cast<uint64_t>(edge) + Below(3) - 1;
    return static_cast<int64_t>(OneIn(4) ? -near : near);
  }

  double Number() {
    using Limits = std::numeric_limits<double>;
    return Pick({0.0, -1.0, 0.5, 1.0, 1e300, Limits::infinity(), Limits::quiet_NaN(),
                 Limits::denorm_min(), static_cast<double>(Below(1000))});
  }

  // Protobuf takes UTF-8 only; what is not is refused before any of our code.
  std::string Text(const std::string& before) {
    if (OneIn(4)) {
      return Pick<std::string>({"", "..", "a/../b", "s3://bucket/key", "s3://bucket", "*.down_proj",
                                "*", "cuda:0", "0", "1", std::string(300, 'a'), "\xC3\xA9"});
    }
    std::string text = MutatedBytes(before, 16);
    for (char& c : text) c &= 0x7f;
    return text;
  }

  // index < 0: the field is not repeated.
  void Set(Message* message, const FieldDescriptor* field, int index) {
    const Reflection* reflection = message->GetReflection();
    const bool one = index < 0;
    switch (field->cpp_type()) {
#define RONDO_SET(Type, value)                              \
  return one ? reflection->Set##Type(message, field, value) \
             : reflection->SetRepeated##Type(message, field, index, value)
      case FieldDescriptor::CPPTYPE_INT32: RONDO_SET(Int32, static_cast<int32_t>(Integer()));
      case FieldDescriptor::CPPTYPE_INT64: RONDO_SET(Int64, Integer());
      case FieldDescriptor::CPPTYPE_UINT64: RONDO_SET(UInt64, static_cast<uint64_t>(Integer()));
      case FieldDescriptor::CPPTYPE_DOUBLE: RONDO_SET(Double, Number());
      case FieldDescriptor::CPPTYPE_BOOL: RONDO_SET(Bool, OneIn(2));
      case FieldDescriptor::CPPTYPE_ENUM: RONDO_SET(EnumValue, Below(20) - 1);
      case FieldDescriptor::CPPTYPE_STRING:
        RONDO_SET(String, Text(one ? reflection->GetString(*message, field)
                                   : reflection->GetRepeatedString(*message, field, index)));
#undef RONDO_SET
      default: return;  // of no message of ours
    }
  }

  void Add(Message* message, const FieldDescriptor* field) {
    const Reflection* reflection = message->GetReflection();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64: return reflection->AddInt64(message, field, Integer());
      case FieldDescriptor::CPPTYPE_ENUM:
        return reflection->AddEnumValue(message, field, Below(20) - 1);
      case FieldDescriptor::CPPTYPE_STRING: return reflection->AddString(message, field, Text(""));
      default: return;
    }
  }

  std::minstd_rand& random_;
};

}  // namespace

std::string Mutated(std::string_view bytes, std::unique_ptr<Message> as, std::minstd_rand* random) {
  const std::string before(bytes);
  if (as == nullptr || (*random)() % 8 == 0 || !as->ParseFromString(before)) {
    return MutatedBytes(before, 64);
  }
  do {
    Mutator(random).Mutate(as.get());
  } while ((*random)() % 3 == 0);
  return as->SerializeAsString();
}

size_t Place(const std::string& bytes, uint8_t* data, size_t max_size) {
  const size_t size = std::min(bytes.size(), max_size);
  std::memcpy(data, bytes.data(), size);
  return size;
}

}  // namespace rondo
