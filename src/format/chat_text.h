/* chat_text.h - the marks and the fixed texts of the prompt encoding, verbatim. */
#ifndef DS_FORMAT_CHAT_TEXT_H
#define DS_FORMAT_CHAT_TEXT_H

#define DS_BOS             "<｜begin▁of▁sentence｜>"
#define DS_EOS             "<｜end▁of▁sentence｜>"
#define DS_USER            "<｜User｜>"
#define DS_ASSISTANT       "<｜Assistant｜>"
#define DS_LATEST_REMINDER "<｜latest_reminder｜>"
#define DS_THINK           "<think>"
#define DS_END_THINK       "</think>"

/* A call block. The names of the tags stand without their end, as attributes or '>' follow. */
#define DS_DSML          "｜DSML｜"
#define DS_CALLS         "<" DS_DSML "tool_calls"
#define DS_END_CALLS     "</" DS_DSML "tool_calls>"
#define DS_INVOKE        "<" DS_DSML "invoke"
#define DS_END_INVOKE    "</" DS_DSML "invoke"
#define DS_PARAMETER     "<" DS_DSML "parameter"
#define DS_END_PARAMETER "/" DS_DSML "parameter" /* without its '<', as the reference looks for it */

#define DS_EFFORT_THOROUGH \
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n" \
    "You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the root " \
    "cause, rigorously stress-testing your logic against all potential paths, edge cases, and adversarial " \
    "scenarios.\n" \
    "Explicitly write out your entire deliberation process, documenting every intermediate step, considered " \
    "alternative, and rejected hypothesis to ensure absolutely no assumption is left unchecked.\n\n"

#define DS_EFFORT_BEYOND \
    "Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.\n" \
    "You MUST reason with the utmost depth and rigor, leaving absolutely nothing to chance: exhaustively " \
    "decompose the problem into its most fundamental components, trace every causal chain to its root, and " \
    "resolve the underlying cause rather than any surface symptom.\n" \
    "Do not stop reasoning until you have independently verified the solution from multiple angles and are " \
    "certain that no assumption remains unchecked and no error remains undiscovered.\n\n"

#define DS_TOOLS_HEAD \
    "## Tools\n\n" \
    "You have access to a set of tools to help answer the user's question. You can invoke tools by writing a " \
    "\"" DS_CALLS ">\" block like the following:\n\n" \
    DS_CALLS ">\n" \
    DS_INVOKE " name=\"$TOOL_NAME\">\n" \
    DS_PARAMETER " name=\"$PARAMETER_NAME\" string=\"true|false\">$PARAMETER_VALUE<" DS_END_PARAMETER ">\n" \
    "...\n" \
    DS_END_INVOKE ">\n" \
    DS_INVOKE " name=\"$TOOL_NAME2\">\n" \
    "...\n" \
    DS_END_INVOKE ">\n" \
    DS_END_CALLS "\n\n" \
    "String parameters should be specified as is and set `string=\"true\"`. For all other types (numbers, " \
    "booleans, arrays, objects), pass the value in JSON format and set `string=\"false\"`.\n\n" \
    "If thinking_mode is enabled (triggered by " DS_THINK "), you MUST output your complete reasoning inside " \
    DS_THINK "..." DS_END_THINK " BEFORE any tool calls or final response.\n\n" \
    "Otherwise, output directly after " DS_END_THINK " with tool calls or final response.\n\n" \
    "### Available Tool Schemas\n\n"

#define DS_TOOLS_TAIL \
    "\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke tool calls.\n"

#define DS_RESPONSE_FORMAT \
    "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n"

#endif
