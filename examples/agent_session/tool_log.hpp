// ToolLog: what the turns of one session did, step by step; an object of the same name as the session.
//
// A turn may run twice: its process dies, and the next one takes it again. A step is therefore written down under
// (message, step), in the same write set as the effect of its tool. Whoever takes the same step again gets what was
// written, and nothing happens a second time.
//
//     POST /turns/{message}/{step}  {"role":"tool","tool":"add","arguments":[2,3]}   runs the tool -> the step, with
//     "result" POST /turns/{message}/{step}  {"role":"user","content":"...","message":"m2"}   what was heard is a step
//     too GET  /turns/{message}         {"steps":[...]} GET  /notes                   {"notes":["..."]}: the effects of
//     the tool note
#pragma once

#include <holdfast/object.hpp>

class ToolLog final : public holdfast::Object {
 public:
  holdfast::Task<holdfast::Reply> on_request(holdfast::Context& ctx, const holdfast::Request& request) override;
};
