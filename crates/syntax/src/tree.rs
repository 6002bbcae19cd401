//! The lossless tree.
//!
//! Its shape is that of the parse, except that nodes that only wrap one other node are left out.
//! White space, comments and punctuation are no nodes of the parse; they are found in the gaps
//! between its nodes, so that the text of the tree is the source text by construction.

use rowan::{GreenNodeBuilder, Language};

use crate::grammar::Rule;
use crate::node::Node;
use crate::source::{Content, Piece};
use crate::words::{BYTE_ORDER_MARK, is_reserved, is_word_byte};

/// A node of the lossless tree.
pub type SyntaxNode = rowan::SyntaxNode<Cbuild>;
/// A token of the lossless tree.
pub type SyntaxToken = rowan::SyntaxToken<Cbuild>;

macro_rules! kinds {
    (tokens { $($token:ident => $token_kind:ident,)* } nodes { $($node:ident => $node_kind:ident,)* }) => {
        /// The kind of a node or token of the tree. Apart from the first ones, which are tokens,
        /// each is named after its rule in `lang-spec/cbuild.pest`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the grammar documents its rules")]
        #[repr(u16)]
        pub enum SyntaxKind {
            /// Blanks and line breaks.
            Whitespace,
            /// A comment, without the line break that ends it.
            Comment,
            /// A reserved word, or `protocol` or `test` at the start of an item.
            Keyword,
            /// A bracket, separator or other sign.
            Sign,
            /// The quotes around a text.
            Quote,
            /// A word in skipped text.
            Word,
            /// A text that was not parsed.
            Unparsed,
            $($token_kind,)*
            $($node_kind,)*
        }

        const KINDS: &[SyntaxKind] = &[
            SyntaxKind::Whitespace,
            SyntaxKind::Comment,
            SyntaxKind::Keyword,
            SyntaxKind::Sign,
            SyntaxKind::Quote,
            SyntaxKind::Word,
            SyntaxKind::Unparsed,
            $(SyntaxKind::$token_kind,)*
            $(SyntaxKind::$node_kind,)*
        ];

        fn kind(rule: Rule) -> SyntaxKind {
            match rule {
                $(Rule::$token => SyntaxKind::$token_kind,)*
                $(Rule::$node => SyntaxKind::$node_kind,)*
                // Silent rules give no nodes.
                _ => SyntaxKind::Unparsed,
            }
        }

        /// Whether a rule is a token: it has no inner structure.
        fn is_token(rule: Rule) -> bool {
            matches!(rule, $(Rule::$token)|*)
        }

        impl SyntaxKind {
            /// The rule that the kind is named after.
            fn rule(self) -> Option<Rule> {
                match self {
                    $(Self::$token_kind => Some(Rule::$token),)*
                    $(Self::$node_kind => Some(Rule::$node),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    tokens {
        name => Name,
        type_name => TypeName,
        kw_pub => KwPub,
        wrong_dashed => WrongDashed,
        wrong_case => WrongCase,
        wrong_type_case => WrongTypeCase,
        wrong_reserved => WrongReserved,
        prefix_op => PrefixOp,
        binary_op => BinaryOp,
        wrong_field => WrongField,
        int => Int,
        bool => Bool,
        path => Path,
        hash => Hash,
        wrong_path => WrongPath,
        wrong_quote => WrongQuote,
        line_text => LineText,
        block_text => BlockText,
        escape => Escape,
        hash_sign => HashSign,
        quote_sign => QuoteSign,
        script_escape => ScriptEscape,
        backslash => Backslash,
    }
    nodes {
        file => File,
        expression => Expression,
        item => Item,
        import_item => ImportItem,
        import_as => ImportAs,
        module_path => ModulePath,
        let_item => LetItem,
        fn_item => FnItem,
        extern_fn => ExternFn,
        result => Result,
        generics => Generics,
        params => Params,
        param => Param,
        default => Default,
        annotation => Annotation,
        extern_type => ExternType,
        type_item => TypeItem,
        variants => Variants,
        case => Case,
        bare_case => BareCase,
        protocol_item => ProtocolItem,
        test_item => TestItem,
        test_body => TestBody,
        wrong_separator => WrongSeparator,
        expr => Expr,
        let_head => LetHead,
        wrong_let_separator => WrongLetSeparator,
        binding => Binding,
        if_head => IfHead,
        lambda_head => LambdaHead,
        r#match => Match,
        scrutinee => Scrutinee,
        plain_postfix => PlainPostfix,
        arms => Arms,
        arm => Arm,
        wrong_arrow => WrongArrow,
        postfix => Postfix,
        decode => Decode,
        field_access => FieldAccess,
        args => Args,
        arg => Arg,
        arg_name => ArgName,
        wrong_colon => WrongColon,
        list => List,
        record => Record,
        field => Field,
        paren => Paren,
        wrong_tuple => WrongTuple,
        text => Text,
        hole => Hole,
        script => Script,
        r#type => Type,
        type_named => TypeNamed,
        type_args => TypeArgs,
        type_parens => TypeParens,
        type_record => TypeRecord,
        field_type => FieldType,
        optional => Optional,
        wrong_equals => WrongEquals,
        row => Row,
        pattern_int => PatternInt,
        pattern_bool => PatternBool,
        pattern_text => PatternText,
        pattern_wildcard => PatternWildcard,
        pattern_bind => PatternBind,
        pattern_constructor => PatternConstructor,
        pattern_args => PatternArgs,
        missing_name => MissingName,
        missing_item => MissingItem,
        missing_module => MissingModule,
        missing_extern => MissingExtern,
        missing_params => MissingParams,
        missing_type => MissingType,
        missing_eq => MissingEq,
        missing_colon => MissingColon,
        missing_comma => MissingComma,
        missing_expr => MissingExpr,
        missing_operand => MissingOperand,
        missing_record => MissingRecord,
        missing_in => MissingIn,
        missing_then => MissingThen,
        missing_else => MissingElse,
        missing_arrow => MissingArrow,
        missing_text => MissingText,
        missing_body => MissingBody,
        missing_close => MissingClose,
        missing_quote => MissingQuote,
        junk => Junk,
        junk_item => JunkItem,
        junk_top => JunkTop,
        junk_group => JunkGroup,
    }
}

impl SyntaxKind {
    /// Whether it is white space or a comment.
    pub fn is_trivia(self) -> bool {
        matches!(self, Self::Whitespace | Self::Comment)
    }

    /// Whether it marks something that is not in the language.
    pub fn is_error(self) -> bool {
        self == Self::Unparsed || self.rule().is_some_and(crate::source::is_error)
    }
}

/// The language, as rowan wants to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cbuild {}

impl Language for Cbuild {
    type Kind = SyntaxKind;

    fn kind_from_raw(raw: rowan::SyntaxKind) -> SyntaxKind {
        KINDS.get(usize::from(raw.0)).copied().unwrap_or(SyntaxKind::Unparsed)
    }

    fn kind_to_raw(kind: SyntaxKind) -> rowan::SyntaxKind {
        rowan::SyntaxKind(kind as u16)
    }
}

/// The tree of a text that was parsed in pieces.
pub(crate) fn build(text: &str, pieces: &[Piece<'_>]) -> SyntaxNode {
    let mut builder = Builder { green: GreenNodeBuilder::new() };
    builder.open(SyntaxKind::File);
    for piece in pieces {
        match &piece.content {
            Content::Parsed { entries, .. } => {
                let mut at = 0;
                for node in Node::root(piece.text, entries).iter().flat_map(Node::children) {
                    builder.child(piece.text, &mut at, node);
                }
                builder.gap(&piece.text[at..]);
            }
            _ => builder.token(SyntaxKind::Unparsed, piece.text),
        }
    }
    debug_assert_eq!(pieces.iter().map(|piece| piece.text.len()).sum::<usize>(), text.len());
    builder.green.finish_node();
    SyntaxNode::new_root(builder.green.finish())
}

struct Builder {
    green: GreenNodeBuilder<'static>,
}

impl Builder {
    fn open(&mut self, kind: SyntaxKind) {
        self.green.start_node(Cbuild::kind_to_raw(kind));
    }

    fn token(&mut self, kind: SyntaxKind, text: &str) {
        if !text.is_empty() {
            self.green.token(Cbuild::kind_to_raw(kind), text);
        }
    }

    /// A node with what stands between `at` and it; `at` moves behind it.
    fn child(&mut self, text: &str, at: &mut usize, node: Node<'_>) {
        self.gap(&text[*at..node.start()]);
        *at = node.end();
        self.node(text, node);
    }

    fn node(&mut self, text: &str, node: Node<'_>) {
        let rule = node.as_rule();
        if rule == Rule::EOI {
            return;
        }
        if is_token(rule) {
            return self.token(kind(rule), node.as_str());
        }
        let quoted = matches!(rule, Rule::text | Rule::script);
        let kids = node.children();
        if let Some(only) = wrapped(&node) {
            return self.node(text, only);
        }
        self.open(kind(rule));
        let mut at = node.start();
        for kid in kids {
            if quoted {
                self.token(SyntaxKind::Quote, &text[at..kid.start()]);
                at = kid.start();
            }
            self.child(text, &mut at, kid);
        }
        let rest = &text[at..node.end()];
        if quoted {
            self.token(SyntaxKind::Quote, rest)
        } else {
            self.gap(rest)
        }
        self.green.finish_node();
    }

    /// Tokens that are no nodes of the parse.
    fn gap(&mut self, gap: &str) {
        let mut rest = gap;
        while !rest.is_empty() {
            let (kind, len) = gap_token(rest);
            let (token, after) = rest.split_at(len);
            self.token(kind, token);
            rest = after;
        }
    }
}

/// The one node that a node only wraps.
fn wrapped<'i>(node: &Node<'i>) -> Option<Node<'i>> {
    let rule = node.as_rule();
    if !matches!(rule, Rule::expr | Rule::postfix | Rule::plain_postfix | Rule::scrutinee) {
        return None;
    }
    let mut kids = node.children();
    let only = kids.next()?;
    let whole = only.start() == node.start() && only.end() == node.end();
    (whole && kids.next().is_none()).then_some(only)
}

fn gap_token(text: &str) -> (SyntaxKind, usize) {
    let run = |test: fn(u8) -> bool| text.bytes().take_while(|byte| test(*byte)).count();
    let blanks = run(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    if blanks > 0 {
        return (SyntaxKind::Whitespace, blanks);
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        return (SyntaxKind::Whitespace, BYTE_ORDER_MARK.len());
    }
    if text.starts_with("//") {
        return (SyntaxKind::Comment, text.find('\n').unwrap_or(text.len()));
    }
    let word = run(is_word_byte);
    if word > 0 {
        let keyword =
            is_reserved(&text.as_bytes()[..word]) || matches!(&text[..word], "protocol" | "test");
        return (if keyword { SyntaxKind::Keyword } else { SyntaxKind::Word }, word);
    }
    let double = ["=>", "->", "#{"].iter().any(|sign| text.starts_with(sign));
    let first = text.chars().next().map_or(1, char::len_utf8);
    (SyntaxKind::Sign, if double { 2 } else { first })
}
