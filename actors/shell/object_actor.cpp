#include "actors/shell/object_actor.hpp"

#include "actors/shell/lane.hpp"
#include "actors/shell/router.hpp"

namespace holdfast::shell {
namespace {

tl::unexpected<Error> threw(const ObjectId& id, const std::string& what) {
  return fail(ErrorCode::internal, "object " + id.object_class + "/" + id.name + " threw: " + what);
}

}  // namespace

bool ObjectActor::alarm_is_due() const { return meta_->alarm != 0 && meta_->alarm <= services_.clock.now(); }

void ObjectActor::handle(const EnvelopePtr& envelope) {
  auto& event = *envelope->event;
  const auto refuse = [&](Error error) {
    if (event.done) event.done(tl::unexpected(std::move(error)));
  };
  if (!meta_) {
    auto loaded = object::load(in_flight_, id_);
    if (!loaded) return refuse(std::move(loaded.error()));
    meta_ = *loaded;
    services_.counters.activations.fetch_add(1, std::memory_order_relaxed);
  }
  const bool alarm = event.kind == ObjectEvent::Kind::alarm;
  if (alarm && !alarm_is_due()) return;
  object::Step step(id_, *meta_, services_.clock.now(), services_.limits, in_flight_);
  auto reply = run(event, step);
  if (!reply) {
    instance_.reset();
    if (alarm) step.retry_alarm();
    else step.discard();
  }
  step.settle();
  meta_ = step.meta();
  const Time alarm_at = step.alarm_set() ? meta_->alarm : 0;
  gate(std::move(step.writes()),
       [envelope, &services = services_, id = id_, alarm_at, events = step.emitted(),
        left = std::make_shared<Result<Reply>>(std::move(reply))](const Result<void>& durable) {
         const NoLane on_writer;
         if (durable && alarm_at != 0) services.on_alarm(id, alarm_at);
         if (durable && events) services.hub.notify(id);
         const auto& answer = envelope->event->done;
         if (!answer) return;
         if (durable) answer(std::move(*left));
         else answer(tl::unexpected(durable.error()));
       });
}

Result<Reply> ObjectActor::run(ObjectEvent& event, object::Step& step) {
  try {
    if (!instance_) {
      instance_ = services_.classes.find(id_.object_class)->second();
      instance_->on_activate(step);
    }
    if (event.kind == ObjectEvent::Kind::request) return instance_->on_request(step, event.request);
    step.take_alarm();
    instance_->on_alarm(step);
    return Reply::empty();
  } catch (const ObjectError& error) {
    return tl::unexpected(error.error());
  } catch (const std::exception& error) {
    return threw(id_, error.what());
  } catch (...) {
    return threw(id_, "something that is no std::exception");
  }
}

void ObjectActor::evicted() {
  if (instance_) instance_->on_evict();
}

}  // namespace holdfast::shell
