//! Writes mutants into a file, each behind its switch.

use crate::list::{Mutant, Place};
use quote::{ToTokens, quote};
use std::collections::{HashMap, HashSet};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Attribute, BinOp, Block, Expr, ExprMatch, ExprStruct, ImplItemConst, ImplItemFn,
    ItemConst, ItemFn, ItemMod, Pat, Signature, Stmt, parse_quote, parse_str,
};

/// Rewrites one file. The number of a mutant is its place in the list, from one on.
pub fn write(text: &str, mutants: &[(u32, &Mutant)]) -> syn::Result<(String, HashSet<u32>)> {
    let mut file = syn::parse_file(text)?;
    let mut by_place: HashMap<Place, Vec<(u32, &Mutant)>> = HashMap::new();
    for (number, mutant) in mutants {
        by_place
            .entry(mutant.span.start)
            .or_default()
            .push((*number, mutant));
    }
    let mut writer = Writer {
        by_place,
        needed: HashSet::new(),
        placed: HashSet::new(),
    };
    writer.visit_file_mut(&mut file);
    Ok((prettyplease::unparse(&file), writer.placed))
}

struct Writer<'a> {
    by_place: HashMap<Place, Vec<(u32, &'a Mutant)>>,
    /// Arms of a match that has no other for their case: without them it does not compile.
    needed: HashSet<Place>,
    placed: HashSet<u32>,
}

fn start(of: &impl Spanned) -> Place {
    let at = of.span().start();
    Place {
        line: at.line,
        column: at.column + 1,
    }
}

fn end(of: &impl Spanned) -> Place {
    let at = of.span().end();
    Place {
        line: at.line,
        column: at.column + 1,
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|one| {
        let text = one.to_token_stream().to_string();
        text.contains("cfg (test)") || text.contains("# [test]")
    })
}

/// A condition with a `let` in it cannot be put in brackets.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(both) => has_let(&both.left) || has_let(&both.right),
        Expr::Paren(inner) => has_let(&inner.expr),
        _ => false,
    }
}

impl<'a> Writer<'a> {
    fn at(&self, place: Place, genre: &str) -> Vec<(u32, &'a Mutant)> {
        let here = self
            .by_place
            .get(&place)
            .map(Vec::as_slice)
            .unwrap_or_default();
        here.iter()
            .filter(|(_, mutant)| mutant.genre == genre)
            .copied()
            .collect()
    }

    /// A function that answers something else.
    fn function(&mut self, signature: &mut Signature, block: &mut Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else {
            return;
        };
        let last = end(last);
        let answers: Vec<_> = self
            .at(start(first), "FnValue")
            .into_iter()
            .filter(|(_, mutant)| mutant.span.end == last)
            .collect();
        visit_mut::visit_block_mut(self, block);
        signature.constness = None;
        for (number, mutant) in answers.into_iter().rev() {
            // An opaque iterator has one type.
            if mutant.replacement.contains("iter::") {
                continue;
            }
            let Ok(other) = parse_str::<Expr>(&mutant.replacement) else {
                continue;
            };
            self.placed.insert(number);
            let early: Stmt = parse_quote! { if crate::mutants::is_on(#number) { return #other; } };
            block.stmts.insert(0, early);
        }
    }
}

impl VisitMut for Writer<'_> {
    fn visit_item_mod_mut(&mut self, item: &mut ItemMod) {
        if !is_test(&item.attrs) {
            visit_mut::visit_item_mod_mut(self, item);
        }
    }

    fn visit_item_fn_mut(&mut self, item: &mut ItemFn) {
        if !is_test(&item.attrs) {
            self.function(&mut item.sig, &mut item.block);
        }
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut ImplItemFn) {
        self.function(&mut item.sig, &mut item.block);
    }

    // Constants are worked out by the compiler, before any switch.
    fn visit_item_const_mut(&mut self, _: &mut ItemConst) {}

    fn visit_impl_item_const_mut(&mut self, _: &mut ImplItemConst) {}

    fn visit_expr_match_mut(&mut self, all: &mut ExprMatch) {
        if !all
            .arms
            .iter()
            .any(|arm| arm.guard.is_none() && matches!(arm.pat, Pat::Wild(_)))
        {
            self.needed.extend(all.arms.iter().map(start));
        }
        visit_mut::visit_expr_match_mut(self, all);
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let here = start(arm);
        let deleted = if self.needed.contains(&here) {
            Vec::new()
        } else {
            self.at(here, "MatchArm")
        };
        let guards = arm
            .guard
            .as_ref()
            .map(|(_, guard)| self.at(start(&**guard), "MatchArmGuard"))
            .unwrap_or_default();
        visit_mut::visit_arm_mut(self, arm);
        if let Some((_, guard)) = &mut arm.guard
            && !has_let(guard)
        {
            for (number, mutant) in guards {
                self.placed.insert(number);
                let old = (**guard).clone();
                **guard = if mutant.replacement == "true" {
                    parse_quote!((crate::mutants::is_on(#number) || (#old)))
                } else {
                    parse_quote!((!crate::mutants::is_on(#number) && (#old)))
                };
            }
        }
        for (number, _) in deleted {
            self.placed.insert(number);
            match &mut arm.guard {
                Some((_, guard)) => {
                    let old = (**guard).clone();
                    **guard = if has_let(&old) {
                        parse_quote!(!crate::mutants::is_on(#number) && #old)
                    } else {
                        parse_quote!(!crate::mutants::is_on(#number) && (#old))
                    };
                }
                None => {
                    arm.guard = Some((
                        Default::default(),
                        Box::new(parse_quote!(!crate::mutants::is_on(#number))),
                    ))
                }
            }
        }
    }

    fn visit_expr_struct_mut(&mut self, made: &mut ExprStruct) {
        let mut left_out = Vec::new();
        for (n, field) in made.fields.iter().enumerate() {
            left_out.extend(
                self.at(start(field), "StructField")
                    .into_iter()
                    .map(|(number, _)| (n, number)),
            );
        }
        visit_mut::visit_expr_struct_mut(self, made);
        let Some(rest) = made.rest.clone() else {
            return;
        };
        for (n, number) in left_out {
            self.placed.insert(number);
            let field = &mut made.fields[n];
            let (member, old) = (field.member.clone(), field.expr.clone());
            field.colon_token = Some(Default::default());
            field.expr =
                parse_quote!(if crate::mutants::is_on(#number) { (#rest).#member } else { #old });
        }
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        let (mut two, mut one) = (Vec::new(), Vec::new());
        match &*expression {
            Expr::Binary(both) if !has_let(expression) => {
                two = self.at(start(&both.op), "BinaryOperator")
            }
            Expr::Unary(unary) => one = self.at(start(&unary.op), "UnaryOperator"),
            _ => {}
        }
        visit_mut::visit_expr_mut(self, expression);
        if let (Expr::Binary(both), false) = (&*expression, two.is_empty()) {
            let written = both.op.to_token_stream().to_string();
            let assigns = written.ends_with('=')
                && !matches!(
                    both.op,
                    BinOp::Eq(_) | BinOp::Le(_) | BinOp::Ge(_) | BinOp::Ne(_)
                );
            let mut arms = Vec::new();
            for (number, mutant) in two {
                let Ok(operator) = mutant.replacement.parse::<proc_macro2::TokenStream>() else {
                    continue;
                };
                self.placed.insert(number);
                let (left, right) = (&both.left, &both.right);
                arms.push(quote!(#number => #left #operator #right,));
            }
            let chosen: Expr = parse_quote!(match crate::mutants::which() { #(#arms)* _ => #both });
            *expression = if assigns {
                chosen
            } else {
                parse_quote!((#chosen))
            };
        }
        if let (Expr::Unary(unary), Some((number, _))) = (&*expression, one.first()) {
            let (unary, inner) = (unary.clone(), unary.expr.clone());
            self.placed.insert(*number);
            *expression =
                parse_quote!((match crate::mutants::which() { #number => #inner, _ => #unary }));
        }
    }
}
