//! What goes over the wire: the commands of a request, the scripts, and their answers.

pub(crate) mod arguments;
pub(crate) mod reply;
mod request;
mod script_answer;
mod scripts;

pub(crate) use self::request::{Answer, Commands, OVERHEAD, Replies, Request, Step};
pub(crate) use self::script_answer::{ScriptAnswer, Status};
pub(crate) use self::scripts::{Form, Script, Scripts};
