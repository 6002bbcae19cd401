//! `decode<T>(path)`: the decoder that a type describes.

use std::collections::BTreeMap;
use std::rc::Rc;

use cbuild_diag::Span;
use cbuild_syntax::ast::{self, Deep};

use crate::checker::{Checker, Extend};
use crate::codes;
use crate::infer::{Typed, broken};
use crate::ir::{self, Absent, Decoder, DecoderCase, DecoderField};
use crate::print::with_article;
use crate::report::{Expect, Why};
use crate::types::{ConId, Presence, Row, Ty, TyId};

/// Most parts of one decoder. Only a type that contains itself with ever larger arguments has more.
const MAX_PARTS: usize = 2_000;

/// Why no decoder could be made.
enum Refused {
    /// This type in it cannot be decoded.
    Type(TyId),
    TooLarge,
    /// Something that was already reported.
    Broken,
}

/// A decoder that is being made.
struct Making {
    /// `None` while a part is being made.
    parts: Vec<Option<Decoder>>,
    /// Variant types that have a part already, with their arguments.
    known: BTreeMap<(ConId, Vec<TyId>), usize>,
    /// The whole expression, for what goes wrong with a default.
    span: Span,
}

impl<'a> Checker<'a> {
    pub(crate) fn infer_decode(
        &mut self,
        types: &'a [ast::Type],
        args: &'a [ast::Arg],
        span: Span,
    ) -> Typed {
        let place = self.place(span);
        let path_type = Expect::because(TyId::PATH, place, Why::Always("what is decoded"));
        let paths: Vec<ir::Expr> =
            args.iter().map(|arg| self.check(&arg.value, &path_type)).collect();
        let variables = self.body.variables.clone();
        let converted: Vec<TyId> = types.iter().map(|ty| self.convert_in(ty, &variables)).collect();
        if let Some(label) = args.iter().find_map(|arg| arg.name.as_ref()) {
            let message = format!("`decode` has no parameter `{}`", label.text);
            self.error(codes::UNKNOWN_ARGUMENT, label.span, message, "unknown argument");
        }
        let [ty] = converted.as_slice() else {
            let message = "`decode` takes one type";
            self.error(codes::TYPE_ARGUMENTS, span, message, "the type of the result")
                .fix("write `decode<T>(./file.toml)`");
            return broken();
        };
        let count = paths.len();
        let Some(path) = paths.into_iter().next().filter(|_| count == 1) else {
            self.wrong_count(span, codes::ARGUMENT_COUNT, "`decode`", 1, count);
            return (*ty, broken().1);
        };
        let mut making = Making { parts: Vec::new(), known: BTreeMap::new(), span };
        match self.decoder(*ty, &mut making) {
            Ok(_) => {
                let parts = making.parts.into_iter().flatten().collect();
                let decoders = Rc::new(ir::Decoders(parts));
                (*ty, ir::Expr::Decode(decoders, Deep::new(path), span))
            }
            Err(refused) => {
                self.not_decodable(&refused, *ty, types[0].span);
                (*ty, broken().1)
            }
        }
    }

    fn not_decodable(&mut self, refused: &Refused, whole: TyId, span: Span) {
        match refused {
            Refused::Broken => {}
            Refused::TooLarge => {
                let message = "this type is too large to be decoded";
                self.error(codes::TOO_COMPLEX, span, message, "contains ever larger types");
            }
            Refused::Type(inner) => {
                let shown = self.types.show(*inner);
                let message = format!("{} cannot be decoded from a file", with_article(&shown));
                let whole = self.types.show(whole);
                let label = if whole == shown {
                    "this type".to_owned()
                } else {
                    format!("`{whole}` contains it")
                };
                self.error(codes::NOT_DECODABLE, span, message, label).fix(
                    "decode `Int`, `Bool`, `Str`, `Hash`, lists, options, maps, records and variants, \
                     and make other values of the result",
                );
            }
        }
    }

    /// Index of the decoder of a type.
    fn decoder(&mut self, ty: TyId, making: &mut Making) -> Result<usize, Refused> {
        cbuild_syntax::deep::guarded(|| self.decoder_inner(ty, making))
    }

    fn decoder_inner(&mut self, ty: TyId, making: &mut Making) -> Result<usize, Refused> {
        let form = self.types.get(ty);
        let mut key = None;
        if let Ty::Con(con, args) = &form {
            let args: Vec<TyId> = args.iter().map(|arg| self.types.resolve(*arg)).collect();
            let wanted = (*con, args);
            if let Some(known) = making.known.get(&wanted) {
                return Ok(*known);
            }
            key = Some(wanted);
        }
        let index = making.parts.len();
        if index >= MAX_PARTS {
            return Err(Refused::TooLarge);
        }
        making.parts.push(None);
        if let Some(key) = key {
            making.known.insert(key, index);
        }
        let decoder = match form {
            Ty::Error => return Err(Refused::Broken),
            Ty::Con(con, args) => self.con_decoder(ty, con, &args, making)?,
            Ty::Record(_) => {
                let row = self.types.row(ty);
                if row.rest.is_some() {
                    return Err(Refused::Type(ty));
                }
                self.record_decoder(&row, making)?
            }
            Ty::Fn(..) | Ty::Var(_) => return Err(Refused::Type(ty)),
        };
        making.parts[index] = Some(decoder);
        Ok(index)
    }

    fn con_decoder(
        &mut self,
        ty: TyId,
        con: ConId,
        args: &[TyId],
        making: &mut Making,
    ) -> Result<Decoder, Refused> {
        Ok(match con {
            ConId::INT => Decoder::Int,
            ConId::BOOL => Decoder::Bool,
            ConId::STR => Decoder::Str,
            ConId::HASH => Decoder::Hash,
            ConId::OPTION => Decoder::Option(self.decoder(args[0], making)?),
            ConId::LIST => Decoder::List(self.decoder(args[0], making)?),
            ConId::MAP => Decoder::Map(self.decoder(args[0], making)?),
            _ => {
                let info = self.types.con_info(con);
                let (params, cases) = (info.params.clone(), info.cases.clone());
                if cases.is_empty() {
                    return Err(Refused::Type(ty));
                }
                let map = params.iter().copied().zip(args.iter().copied()).collect();
                let mut decoders = Vec::with_capacity(cases.len());
                for case in cases {
                    let mut fields = Vec::with_capacity(case.fields.len());
                    for field in case.fields {
                        let field = self.types.substitute(field, &map);
                        fields.push(self.decoder(field, making)?);
                    }
                    decoders.push(DecoderCase { name: self.symbols.intern(&case.name), fields });
                }
                Decoder::Variant(decoders)
            }
        })
    }

    fn record_decoder(&mut self, row: &Row, making: &mut Making) -> Result<Decoder, Refused> {
        let mut fields = Vec::with_capacity(row.fields.len());
        for (name, field) in &row.fields {
            let decoder = self.decoder(field.ty, making)?;
            let absent = match field.presence {
                Presence::Default(global) => {
                    self.use_default(global, field.ty, name, making.span);
                    Absent::Default(self.refer(global))
                }
                _ if matches!(self.types.get(field.ty), Ty::Con(ConId::OPTION, _)) => Absent::None,
                _ => Absent::Refused,
            };
            fields.push(DecoderField { name: self.symbols.intern(name), decoder, absent });
        }
        Ok(Decoder::Record(fields))
    }
}
