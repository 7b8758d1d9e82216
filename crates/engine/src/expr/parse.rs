//! From text to a tree, with the place of everything in it.
//!
//! The `cel` crate parses, with no macros expanded, so that `exists` and its kin arrive as they were written. What CEL
//! has and we don't (maps, messages, unsigned numbers) is refused here.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators};
use cel::parser::ParseErrors;

use super::ExprError;
use super::scan::{Tokens, scan};
use crate::model::Value;
use crate::query::{Arithmetic, Comparison};

#[derive(Debug)]
pub(super) struct Syntax {
    pub(super) span: Range<usize>,
    pub(super) kind: SyntaxKind,
}

#[derive(Debug)]
pub(super) enum SyntaxKind {
    Literal(Value),
    Name(String),
    Select {
        of: Box<Syntax>,
        name: Name,
    },
    Index {
        of: Box<Syntax>,
        index: Box<Syntax>,
    },
    Call {
        target: Option<Box<Syntax>>,
        name: Name,
        arguments: Vec<Syntax>,
    },
    Not(Box<Syntax>),
    Negate(Box<Syntax>),
    Binary(Binary, Box<Syntax>, Box<Syntax>),
    If(Box<[Syntax; 3]>),
    List(Vec<Syntax>),
}

#[derive(Debug)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    And,
    Or,
    Equal,
    NotEqual,
    Order(Comparison),
    In,
    Arithmetic(Arithmetic),
}

/// The crate's parser takes some 150 KB of stack for each bracket in a bracket (unoptimised); what nests deeper than this
/// is parsed on a stack of its own.
const NESTING_INLINE: usize = 4;
const PARSER_STACK_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn parse(source: &str) -> Result<Syntax, Vec<ExprError>> {
    let tokens = scan(source).map_err(|error| vec![error])?;
    if tokens.list.is_empty() {
        return Err(vec![ExprError::new(0..source.len(), "the expression is empty")]);
    }
    if tokens.nesting <= NESTING_INLINE {
        return parse_tokens(&tokens);
    }
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(PARSER_STACK_BYTES);
        let parsed = parser.spawn_scoped(scope, || parse_tokens(&tokens));
        match parsed.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(_)) | Err(_) => Err(vec![ExprError::new(0..source.len(), "this can't be parsed")]),
        }
    })
}

fn parse_tokens(tokens: &Tokens<'_>) -> Result<Syntax, Vec<ExprError>> {
    let program = cel::Env::default()
        .with_optional_support(false)
        .compile(tokens.source)
        .map_err(|errors| syntax_errors(tokens, &errors))?;
    let mut reader = Reader {
        tokens,
        info: program.source_info(),
        errors: Vec::new(),
    };
    let tree = reader.read(program.expression());
    if reader.errors.is_empty() {
        Ok(tree)
    } else {
        Err(reader.errors)
    }
}

/// The parser's own words list all that the grammar allows; the place says more.
fn syntax_errors(tokens: &Tokens<'_>, errors: &ParseErrors) -> Vec<ExprError> {
    let source = tokens.source;
    let end = source.len();
    let Some(error) = errors.errors.first() else {
        return vec![ExprError::new(0..end, "this is no expression")];
    };
    let byte = byte_of(source, error.pos);
    let (span, found) = match tokens.at(byte) {
        Some(index) => (tokens.list[index].span.clone(), format!("`{}`", tokens.text(index))),
        None => (end..end, "the end".to_owned()),
    };
    let error = if let Some(name) = error.msg.strip_prefix("reserved identifier: ") {
        ExprError::new(span, format!("`{name}` is a reserved word of CEL")).help(format!("write `record.{name}`"))
    } else if error.msg.contains("literal") {
        ExprError::new(span, format!("{found} is not a value that can be written so"))
    } else if error.msg.contains("simple name") {
        ExprError::new(span, "the first argument is the name of a variable, such as `x`")
    } else {
        ExprError::new(span, format!("{found} is not expected here"))
    };
    vec![error]
}

/// Lines and columns count from 1; columns are characters.
fn byte_of(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line - 1).unwrap_or(0);
    let column = usize::try_from(column - 1).unwrap_or(0);
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &source[start..];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(offset, _)| offset)
}

struct Reader<'p> {
    tokens: &'p Tokens<'p>,
    info: &'p SourceInfo,
    errors: Vec<ExprError>,
}

impl Reader<'_> {
    /// The token that the parser tied to a node.
    fn token(&self, id: u64) -> usize {
        let byte = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        self.tokens.at(byte).unwrap_or(0)
    }

    fn span(&self, token: usize) -> Range<usize> {
        self.tokens
            .list
            .get(token)
            .map_or(0..self.tokens.source.len(), |token| token.span.clone())
    }

    fn refuse(&mut self, span: Range<usize>, message: &str, help: &str) -> Syntax {
        self.errors.push(ExprError::new(span.clone(), message).help(help));
        Syntax {
            span,
            kind: SyntaxKind::Literal(Value::Null),
        }
    }

    fn read(&mut self, node: &IdedExpr) -> Syntax {
        let token = self.token(node.id);
        let span = self.span(token);
        match &node.expr {
            Expr::Literal(literal) => self.literal(literal, token),
            Expr::Ident(name) if name.starts_with('.') => {
                self.refuse(span, "a name doesn't start with a dot", "leave the dot out")
            }
            Expr::Ident(name) => Syntax {
                span,
                kind: SyntaxKind::Name(name.clone()),
            },
            Expr::Select(select) => {
                let of = Box::new(self.read(&select.operand));
                let name = Name {
                    text: select.field.clone(),
                    span: self.span(token + 1),
                };
                Syntax {
                    span: of.span.start..name.span.end,
                    kind: SyntaxKind::Select { of, name },
                }
            }
            Expr::List(list) => {
                let end = self.span(self.tokens.closing(token)).end;
                Syntax {
                    span: span.start..end,
                    kind: SyntaxKind::List(list.elements.iter().map(|item| self.read(item)).collect()),
                }
            }
            Expr::Call(call) => self.call(call, token),
            Expr::Map(_) | Expr::Struct(_) => self.refuse(
                span,
                "maps and messages can't be written in an expression",
                "compare the parts one by one",
            ),
            Expr::Comprehension(_) | Expr::Unspecified => {
                self.refuse(span, "this can't be read", "write it in a simpler way")
            }
        }
    }

    fn literal(&mut self, literal: &LiteralValue, token: usize) -> Syntax {
        let mut span = self.span(token);
        let value = match literal {
            LiteralValue::Null => Value::Null,
            LiteralValue::Boolean(value) => Value::Bool(*value.inner()),
            LiteralValue::Int(value) => Value::Int(*value.inner()),
            LiteralValue::Double(value) => Value::Float(*value.inner()),
            LiteralValue::String(value) => Value::text(value.inner()),
            LiteralValue::Bytes(value) => Value::Bytes(value.inner().into()),
            LiteralValue::UInt(_) => {
                return self.refuse(span, "there are no unsigned numbers here", "leave the `u` out");
            }
        };
        let negative = matches!(&value, Value::Int(n) if *n < 0) || matches!(&value, Value::Float(n) if *n < 0.0);
        if negative && token > 0 && self.tokens.text(token) != "-" {
            span.start = self.span(token - 1).start;
        } else if self.tokens.text(token) == "-" {
            span.end = self.span(token + 1).end;
        }
        Syntax {
            span,
            kind: SyntaxKind::Literal(value),
        }
    }

    fn call(&mut self, call: &CallExpr, token: usize) -> Syntax {
        if let Some(target) = &call.target {
            let target = self.read(target);
            return self.named_call(Some(target), call, token);
        }
        let operator = call.func_name.as_str();
        match (operator, call.args.as_slice()) {
            (operators::CONDITIONAL, [condition, then, otherwise]) => {
                let parts = [self.read(condition), self.read(then), self.read(otherwise)];
                Syntax {
                    span: parts[0].span.start..parts[2].span.end,
                    kind: SyntaxKind::If(Box::new(parts)),
                }
            }
            (operators::LOGICAL_NOT | operators::NEGATE, [inner]) => {
                let start = self.span(token).start;
                let inner = Box::new(self.read(inner));
                Syntax {
                    span: start..inner.span.end,
                    kind: if operator == operators::NEGATE {
                        SyntaxKind::Negate(inner)
                    } else {
                        SyntaxKind::Not(inner)
                    },
                }
            }
            (operators::INDEX, [of, index]) => {
                let of = Box::new(self.read(of));
                let index = Box::new(self.read(index));
                Syntax {
                    span: of.span.start..self.span(self.tokens.closing(token)).end,
                    kind: SyntaxKind::Index { of, index },
                }
            }
            (_, [left, right]) => match binary(operator) {
                Some(binary) => {
                    let (left, right) = (Box::new(self.read(left)), Box::new(self.read(right)));
                    Syntax {
                        span: left.span.start..right.span.end,
                        kind: SyntaxKind::Binary(binary, left, right),
                    }
                }
                None => self.named_call(None, call, token),
            },
            _ => self.named_call(None, call, token),
        }
    }

    /// The parser ties a call to its opening bracket.
    fn named_call(&mut self, target: Option<Syntax>, call: &CallExpr, open: usize) -> Syntax {
        let name = Name {
            text: call.func_name.clone(),
            span: self.span(open.saturating_sub(1)),
        };
        let start = target.as_ref().map_or(name.span.start, |target| target.span.start);
        let arguments = call.args.iter().map(|argument| self.read(argument)).collect();
        Syntax {
            span: start..self.span(self.tokens.closing(open)).end,
            kind: SyntaxKind::Call {
                target: target.map(Box::new),
                name,
                arguments,
            },
        }
    }
}

fn binary(operator: &str) -> Option<Binary> {
    Some(match operator {
        operators::LOGICAL_AND => Binary::And,
        operators::LOGICAL_OR => Binary::Or,
        operators::EQUALS => Binary::Equal,
        operators::NOT_EQUALS => Binary::NotEqual,
        operators::LESS => Binary::Order(Comparison::Lt),
        operators::LESS_EQUALS => Binary::Order(Comparison::Le),
        operators::GREATER => Binary::Order(Comparison::Gt),
        operators::GREATER_EQUALS => Binary::Order(Comparison::Ge),
        operators::IN => Binary::In,
        operators::ADD => Binary::Arithmetic(Arithmetic::Add),
        operators::SUBSTRACT => Binary::Arithmetic(Arithmetic::Subtract),
        operators::MULTIPLY => Binary::Arithmetic(Arithmetic::Multiply),
        operators::DIVIDE => Binary::Arithmetic(Arithmetic::Divide),
        operators::MODULO => Binary::Arithmetic(Arithmetic::Remainder),
        _ => return None,
    })
}
